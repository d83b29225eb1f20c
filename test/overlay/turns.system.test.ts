// An overlay that several change by turns: an ADD, `podwire apply`, the keeper.
import path from "node:path";
import { expect, test } from "vitest";
import { loneNode } from "./lone-node.ts";

const node = loneNode();

test("nobody goes by what was so before another's turn", async () => {
  expect(await node().run(process.execPath, path.resolve(import.meta.dirname, "turns.ts"))).toBe(
    "changes: true\nreads: 2",
  );
  const routes = await node().run("ip", "route", "show", "proto", "120");
  expect([...routes.matchAll(/^10\.244\.([0-9]+)/gm)].map(([, number]) => number)).toEqual(["2", "4", "6"]);
  expect(await node().run("nft", "list", "set", "inet", "podwire", "tunnels4")).toMatch(
    /192\.0\.2\.2, 192\.0\.2\.4,\s+192\.0\.2\.6|192\.0\.2\.2.*192\.0\.2\.4.*192\.0\.2\.6/s,
  );
});
