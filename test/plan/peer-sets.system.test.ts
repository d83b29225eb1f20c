// An overlay's sets in nftables go without what others have in the same table: an ADD begins to masquerade whenever it likes.
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startNode, type TestNode } from "../fixture/node.ts";

const script = path.resolve(import.meta.dirname, "peer-sets-removal.ts");

let node: TestNode;
beforeEach(async () => {
  node = await startNode();
});
afterEach(async () => node.stop());

test("an overlay's sets and filter go with their table", async () => {
  await node.run(process.execPath, script);
  expect(await node.run("nft", "list", "ruleset")).toBe("");
});

test("masquerading that began since they were read stays", async () => {
  await node.run(process.execPath, script, "masquerading");
  const rules = await node.run("nft", "list", "table", "inet", "podwire");
  expect(rules).toMatch(/elements = \{ 10\.99\.1\.2 \}/);
  expect(rules).toMatch(/chain masquerade-other \{\s+type nat hook postrouting/);
  expect(rules).not.toMatch(/tunnels|10\.244\.2\.0/);
});
