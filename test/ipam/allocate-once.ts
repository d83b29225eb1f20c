// A process of its own that adds or deletes one attachment, as a podwire process of the runtime would:
// allocate-once.ts ADD|DEL <containerID>, the network configuration on stdin; prints the result or the error.
import { readFileSync } from "node:fs";
import { hostLocal } from "../../src/ipam/host-local/host-local.ts";
import { makeRequest } from "./request.ts";

const [verb, containerID = ""] = process.argv.slice(2);
const request = makeRequest(JSON.parse(readFileSync(0, "utf8")), containerID);
try {
  if (verb === "ADD") console.log(JSON.stringify(await hostLocal.add(request)));
  else await hostLocal.del(request);
} catch (error) {
  console.log(JSON.stringify(error));
  process.exitCode = 1;
}
