// What pods leave on a node: links, routes, address leases, cached results and packet filter rules. Taken
// before the first pod and after the last one went, it must be the same.
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { podAddress } from "./plugin-dir.ts";
import type { RuntimeNode } from "./runtime-node.ts";

/** Files that belong to a network rather than to a pod. */
const permanent = /lock$|^last_reserved_ip\./;

export async function podTraces(node: RuntimeNode) {
  const links = await node.run("ip", ["-o", "link"]);
  const routes = await node.run("ip", ["route", "show", "table", "all"]);
  const rules = await node.run("nft", ["list", "ruleset"]);
  const files = await Promise.all(
    ["cni-state", "podwire-state"].map((dir) =>
      readdir(join(node.dir, dir), { recursive: true, withFileTypes: true }),
    ),
  );
  return {
    links: links.split("\n").map((line) => line.split(": ")[1]),
    routes: routes.split("\n").filter((line) => podAddress.test(line)),
    rules: rules.split("\n").filter((line) => podAddress.test(line)),
    state: files
      .flat()
      .filter((entry) => entry.isFile() && !permanent.test(entry.name))
      .map((entry) => join(entry.parentPath, entry.name)),
  };
}
