// host-gw where nodes know each other by IPv6 alone: IPv4 pods have a next hop of the other family.
import { afterAll, beforeAll, expect, test } from "vitest";
import { addPod, type Cluster, type ClusterPod, ping, startCluster, transfer } from "./cluster.ts";

let cluster: Cluster;
let one: ClusterPod;
let two: ClusterPod;
beforeAll(async () => {
  cluster = await startCluster(2, { family: 6 });
  const overlay = { type: "host-gw", peers: cluster.nodes.map(({ peer }) => peer) };
  const pods = await Promise.all(cluster.nodes.map((node) => addPod(node, overlay)));
  [one, two] = pods as [ClusterPod, ClusterPod];
});
afterAll(async () => cluster.stop());

test("IPv4 pods are routed by the peer's IPv6 address", async () => {
  const routes = await one.node.run("ip", "route", "show", "type", "unicast", "proto", "120");
  expect(routes).toMatch(/^10\.244\.2\.0\/24 via inet6 2001:db8::2 dev eth0 /);
});

test("pods of both families reach each other, with large transfers", async () => {
  for (const to of [two.ipv4, two.ipv6]) await ping(one, to);
  for (const to of [one.ipv4, one.ipv6]) await ping(two, to);
  for (const family of [4, 6] as const) {
    expect(await transfer(one, two, family, 8)).toBe(8);
    expect(await transfer(two, one, family, 8)).toBe(8);
  }
});
