// Tunnels have no authentication: packets of who is no peer do not come in, whatever they have inside.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  addPod,
  type Cluster,
  type ClusterNode,
  type ClusterPod,
  declare,
  ping,
  startCluster,
} from "./cluster.ts";

describe.each([4, 6] as const)("vxlan over IPv%s", (family) => {
  let cluster: Cluster;
  let node: ClusterNode;
  let pods: [ClusterPod, ClusterPod, ClusterPod];
  const overlay = (listed: readonly ClusterNode[]) => ({
    type: "vxlan",
    peers: listed.map(({ peer }) => peer),
  });
  beforeAll(async () => {
    cluster = await startCluster(3, { family });
    const [first, second, stranger] = cluster.nodes as [ClusterNode, ClusterNode, ClusterNode];
    node = first;
    pods = [
      await addPod(first, overlay([first, second])),
      await addPod(second, overlay([first, second])),
      // It knows the others, and wraps packets as they do.
      await addPod(stranger, overlay(cluster.nodes)),
    ];
  });
  afterAll(async () => cluster.stop());

  test("only peers' packets reach pods, and a new peer's do at once", async () => {
    const [one, peer, stranger] = pods;
    // What comes to the device has passed the filter.
    const received = async () => {
      const [link] = JSON.parse(await node.run("ip", "-json", "-s", "link", "show", "pw-vxlan"));
      return Number(link.stats64.rx.packets);
    };
    await ping(peer, one.ipv4);
    await ping(peer, one.ipv6);
    const before = await received();
    expect(before).toBeGreaterThan(1);
    for (const address of [one.ipv4, one.ipv6]) {
      await expect(ping(stranger, address, "-c", "2")).rejects.toThrow();
    }
    expect(await received()).toBe(before);
    declare(node, overlay(cluster.nodes));
    expect((await node.podwire("apply")).exitCode).toBe(0);
    await ping(stranger, one.ipv4);
    await ping(stranger, one.ipv6);
    expect(await received()).toBeGreaterThan(before);
  });
});
