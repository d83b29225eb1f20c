// Prefixes of pods that move from one node to another, while both stay.
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Cluster, type ClusterNode, podPrefixes, startCluster } from "./cluster.ts";
import { eventually, watch } from "./watching.ts";

let cluster: Cluster;
let nodes: [ClusterNode, ClusterNode];
beforeEach(async () => {
  cluster = await startCluster(2);
  nodes = cluster.nodes as [ClusterNode, ClusterNode];
});
afterEach(async () => cluster.stop());

/** By the same list on all nodes, whose prefixes are these. */
function declare(type: string, ...prefixes: number[]): void {
  const peers = nodes.map(({ peer, address6 }, index) => ({
    ...peer,
    address6,
    podCIDRs: podPrefixes(prefixes[index] ?? 0),
  }));
  for (const node of nodes)
    node.write("/etc/podwire/node.json", JSON.stringify({ overlay: { type, peers } }));
}

async function apply(): Promise<void> {
  for (const node of nodes) {
    const { exitCode, stdout, stderr } = await node.podwire("apply");
    expect(exitCode, stdout + stderr).toBe(0);
  }
}

/** Between the addresses that hosts have of their pods' prefixes. */
async function reach(one: number, other: number): Promise<void> {
  for (const [index, prefix] of [one, other].entries()) {
    const own = await nodes[index]?.run("ip", "address", "show", "dev", "pw-vxlan");
    expect(own).toContain(` 10.244.${prefix}.0/32 `);
  }
  for (const to of [`10.244.${other}.0`, `fd00:10:244:${other}::`]) {
    await nodes[0].run("ping", "-n", "-c", "1", "-W", "3", to);
  }
  for (const to of [`10.244.${one}.0`, `fd00:10:244:${one}::`]) {
    await nodes[1].run("ping", "-n", "-c", "1", "-W", "3", to);
  }
}

test.each([
  ["to a peer, and the node has another", [3, 1]],
  ["from a peer", [2, 3]],
  ["both ways", [2, 1]],
] as const)("prefixes move %s", async (_, [one, other]) => {
  declare("vxlan", 1, 2);
  await apply();
  await reach(1, 2);
  declare("vxlan", one, other);
  await apply();
  await reach(one, other);
  expect((await nodes[0].podwire("apply")).stdout).toMatch(/nothing to change/);
});

test("prefixes that move both ways are followed by the keeper", async () => {
  declare("vxlan", 1, 2);
  await apply();
  const watching = await watch(nodes[0]);
  try {
    declare("vxlan", 2, 1);
    await nodes[1].podwire("apply");
    await eventually(() => reach(2, 1));
  } finally {
    await watching.stop();
  }
});

test("a keeper of host-gw leaves no way to the other node for what is its own now", async () => {
  const routes = async () => {
    const shown = await nodes[0].run("sh", "-c", "ip route show proto 120; ip -6 route show proto 120");
    return shown
      .split("\n")
      .map((line) => line.replace(/ (via|dev|metric) .*/, "").trim())
      .sort();
  };
  const expected = (own: number, peer: number) =>
    [...podPrefixes(own).map((prefix) => `unreachable ${prefix}`), ...podPrefixes(peer)].sort();
  declare("host-gw", 1, 2);
  await apply();
  const watching = await watch(nodes[0]);
  try {
    declare("host-gw", 2, 1);
    await eventually(async () => expect(await routes()).toEqual(expected(2, 1)));
  } finally {
    await watching.stop();
  }
});
