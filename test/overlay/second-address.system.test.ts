// A node with several addresses on its underlay sends from the one that its peers know: they take packets from no other.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  addPod,
  type Cluster,
  type ClusterNode,
  type ClusterPod,
  declare,
  ping,
  startCluster,
} from "./cluster.ts";
import { eventually, watch } from "./watching.ts";

const families = {
  4: { known: ["192.0.2.101", "192.0.2.102"], length: 24, encap: "ip" },
  6: { known: ["2001:db8::5054:ff:fe12:1", "2001:db8::5054:ff:fe12:2"], length: 64, encap: "ip6" },
} as const;

describe.each([4, 6] as const)("over IPv%i, a node with several addresses", (family) => {
  let cluster: Cluster;
  let node: ClusterNode;
  let other: ClusterNode;
  const {
    known: [first, second],
    length,
    encap,
  } = families[family];
  beforeEach(async () => {
    cluster = await startCluster(2, { family });
    [node, other] = cluster.nodes as [ClusterNode, ClusterNode];
    for (const address of [first, second]) {
      await node.run("ip", "address", "add", `${address}/${length}`, "dev", "eth0", "nodad");
    }
  });
  afterEach(async () => cluster.stop());

  const overlay = (address: string) => ({
    type: "vxlan",
    peers: [{ ...node.peer, address }, other.peer],
  });
  const pods = (known: string): Promise<[ClusterPod, ClusterPod]> =>
    Promise.all([addPod(node, overlay(known)), addPod(other, overlay(known))]);
  const apply = async (at: ClusterNode, known: string) => {
    declare(at, overlay(known));
    expect((await at.podwire("apply")).exitCode).toBe(0);
  };

  test("is heard by its peers, who know neither the first nor the last one", async () => {
    const [one, two] = await pods(first);
    await ping(one, two.ipv4);
    await ping(one, two.ipv6);
    await ping(two, one.ipv4);
  });

  test("is heard again when a route of it that lets the kernel choose is replaced by podwire apply", async () => {
    const [one, two] = await pods(first);
    const [route = ""] = (await node.run("ip", "route", "show", "type", "unicast", "proto", "120")).split(
      "\n",
    );
    const free = route.replace(` src ${first}`, "");
    expect(free).not.toBe(route);
    await node.run("sh", "-ec", `ip route replace ${free} proto 120`);
    const remaining = await node.run("ip", "route", "show", "type", "unicast", "proto", "120");
    expect(remaining).not.toContain(first);
    await apply(node, first);
    expect(await node.run("ip", "route", "show", "type", "unicast", "proto", "120")).toContain(
      `encap ${encap} id 4096 src ${first} dst ${other.peer.address}`,
    );
    await ping(one, two.ipv4);
  });

  test("is followed by its keeper when peers get to know it by another one", async () => {
    const [one, two] = await pods(second);
    declare(node, overlay(second));
    const watching = await watch(node);
    try {
      declare(node, overlay(first));
      await apply(other, first);
      await eventually(() => ping(one, two.ipv4));
      await ping(two, one.ipv6);
    } finally {
      await watching.stop();
    }
  });
});
