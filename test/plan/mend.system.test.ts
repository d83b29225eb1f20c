// What pods that lost the same link get back when they are put right at once.
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { startNode } from "../fixture/node.ts";

const script = path.resolve(import.meta.dirname, "mend-at-once.ts");

test("one repair makes the link, the others take it as theirs, and none makes the rest again", async () => {
  const node = await startNode();
  onTestFinished(() => node.stop());
  await node.run(process.execPath, script);
  const routes = (await node.run("ip", "route", "show", "dev", "shared0")).trim().split("\n");
  expect(routes.map((route) => route.split(" ")[0])).toEqual([2, 3, 4, 5].map((pod) => `10.244.1.${pod}`));
});
