// A program that owns a lab, to be killed at any moment: LAB_NAME is up when it says so, and stays until it ends.
import { startLab } from "../lab.ts";

const name = process.env["LAB_NAME"];
if (name === undefined) throw new Error("no LAB_NAME");
const lab = await startLab({ name, nodes: 1 });
if (process.argv[2] === "stop") {
  console.log("stopping");
  await lab.stop();
}
console.log("up");
setInterval(() => {}, 1_000_000);
