// tos, ttl and sourcePorts of vxlan in the packets that go over the underlay, and in a kernel that is as declared then.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { addPod, type Cluster, type ClusterNode, declare, ping, startCluster } from "./cluster.ts";

describe.each([4, 6] as const)("over IPv%s", (family) => {
  let cluster: Cluster;
  let nodes: [ClusterNode, ClusterNode];
  beforeEach(async () => {
    cluster = await startCluster(2, { family });
    nodes = cluster.nodes as unknown as typeof nodes;
  });
  afterEach(async () => cluster.stop());

  test("they are as declared, and a second apply changes nothing", async () => {
    const overlay = {
      type: "vxlan",
      tos: 184,
      ttl: 7,
      sourcePorts: "50000-50009",
      peers: nodes.map(({ peer }) => peer),
    };
    const [one, two] = await Promise.all(nodes.map((node) => addPod(node, overlay)));
    for (const node of nodes) {
      declare(node, overlay);
      const { stdout, stderr } = await node.podwire("apply");
      expect(stdout, stderr).toMatch(/overlay vxlan, MTU [0-9]+: nothing to change/);
    }
    // Counted where they leave, because nothing here prints packets.
    const header = family === 4 ? "ip ttl 7 ip dscp 46" : "ip6 hoplimit 7 ip6 dscp 46";
    await nodes[0].run(
      "nft",
      `add table inet seen; add chain inet seen out { type filter hook output priority 100; };
      add rule inet seen out udp dport 4789 ${header} udp sport 50000-50009 counter comment "declared";
      add rule inet seen out udp dport 4789 counter comment "all"`,
    );
    if (one === undefined || two === undefined) throw new Error("two pods were asked for");
    await ping(one, two.ipv4, "-c", "3");
    await ping(one, two.ipv6, "-c", "3");
    const counters = await nodes[0].run("nft", "list", "table", "inet", "seen");
    const countOf = (name: string) =>
      Number(new RegExp(`packets ([0-9]+) bytes [0-9]+ comment "${name}"`).exec(counters)?.[1]);
    expect(countOf("all")).toBeGreaterThanOrEqual(6);
    expect(countOf("declared"), counters).toBe(countOf("all"));
  });
});
