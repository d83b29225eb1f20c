// Pods of two nodes by every overlay that this kernel has: ADD alone makes the overlay, from the conflist's peers.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { addPod, type Cluster, type ClusterPod, ping, startCluster, transfer } from "./cluster.ts";

const megabytes = 64;

describe.each([
  { type: "vxlan", underlayFamily: 4, mtu: 1450 },
  { type: "vxlan", underlayFamily: 6, mtu: 1430 },
  { type: "host-gw", underlayFamily: 4, mtu: 1500 },
])("$type over IPv$underlayFamily", ({ type, underlayFamily, mtu }) => {
  let cluster: Cluster;
  let one: ClusterPod;
  let other: ClusterPod;
  beforeAll(async () => {
    cluster = await startCluster(2, { family: underlayFamily });
    const peers = cluster.nodes.map(({ peer, address6 }) =>
      underlayFamily === 4 ? { ...peer, address6 } : peer,
    );
    const pods = await Promise.all(cluster.nodes.map((node) => addPod(node, { type, peers })));
    [one, other] = pods as [ClusterPod, ClusterPod];
  });
  afterAll(async () => cluster.stop());

  test.each([4, 6] as const)("pods reach each other by IPv%s", async (family) => {
    const address = (pod: ClusterPod) => (family === 4 ? pod.ipv4 : pod.ipv6);
    await ping(one, address(other));
    await ping(other, address(one));
  });

  test("pods get the MTU that is left, and as much passes in one packet", async () => {
    expect(one.mtu).toBe(mtu);
    await ping(one, other.ipv4, "-M", "do", "-s", String(mtu - 28));
    await ping(one, other.ipv6, "-M", "do", "-s", String(mtu - 48));
  });

  test.each([4, 6] as const)("large transfers arrive whole in both directions by IPv%s", async (family) => {
    expect(await transfer(one, other, family, megabytes)).toBe(megabytes);
    expect(await transfer(other, one, family, megabytes)).toBe(megabytes);
  });

  test("hosts and pods of other nodes reach each other", async () => {
    const [host] = cluster.nodes;
    await host?.run("ping", "-n", "-c", "1", "-W", "3", other.ipv4);
    await host?.run("ping", "-n", "-c", "1", "-W", "3", other.ipv6);
  });
});
