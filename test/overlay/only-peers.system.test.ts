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

  /** What comes to the device has passed the filter. */
  async function received(): Promise<number> {
    const [link] = JSON.parse(await node.run("ip", "-json", "-s", "link", "show", "pw-vxlan"));
    return Number(link.stats64.rx.packets);
  }

  /** The pod has this address, too, meanwhile. */
  async function speakingAs(address: string, pod: ClusterPod, work: () => Promise<void>): Promise<void> {
    const words = [
      `${address}/${family === 4 ? 32 : 128}`,
      "dev",
      "eth0",
      ...(family === 4 ? [] : ["nodad"]),
    ];
    await pod.run("ip", "address", "add", ...words);
    try {
      await work();
    } finally {
      await pod.run("ip", "address", "delete", ...words.slice(0, 3));
    }
  }

  /** A tunnel packet as a peer would send it. */
  async function forge(pod: ClusterPod, peer: string): Promise<void> {
    const script = `
      const socket = require("node:dgram").createSocket("udp${family}");
      const packet = Buffer.from("0800000000100000".padEnd(160, "0"), "hex");
      socket.bind(0, "${peer}", () => socket.send(packet, 4789, "${node.peer.address}", () => socket.close()));`;
    await pod.run(process.execPath, "-e", script);
  }

  test("a pod of the node's own cannot pass for a peer", async () => {
    const [pod] = pods;
    const peer = cluster.nodes[1]?.peer.address ?? "";
    await speakingAs(peer, pod, async () => {
      const before = await received();
      for (let time = 0; time < 3; time++) await forge(pod, peer);
      expect(await received()).toBe(before);
      const rules = await node.run("nft", "-a", "list", "chain", "inet", "podwire", "tunnels");
      const handle = /iifname.*# handle ([0-9]+)/.exec(rules)?.[1] ?? "";
      await node.run("nft", "delete", "rule", "inet", "podwire", "tunnels", "handle", handle);
      await forge(pod, peer);
      expect(await received(), "without the rule").toBe(before + 1);
      declare(node, overlay(cluster.nodes.slice(0, 2)));
      expect((await node.podwire("apply")).stdout).toMatch(/sets of peers/);
      await forge(pod, peer);
      expect(await received()).toBe(before + 1);
    });
  });

  test("only peers' packets reach pods, and a new peer's do at once", async () => {
    const [one, peer, stranger] = pods;
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
