// `podwire apply --watch`: what the kernel loses comes back, the file of peers is followed, and a broken one harms nothing.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  addPod,
  type Cluster,
  type ClusterNode,
  type ClusterPod,
  declare,
  ping,
  startCluster,
} from "./cluster.ts";
import { stateScript } from "./state.ts";
import { eventually, type Watching, watch } from "./watching.ts";

const peersFile = "/etc/podwire/peers.json";
const overlay = (type: string) => ({ type, peersFile });

describe.each(["vxlan", "host-gw"])("a kept overlay of type %s", (type) => {
  let cluster: Cluster;
  let nodes: [ClusterNode, ClusterNode, ClusterNode];
  let pods: [ClusterPod, ClusterPod, ClusterPod];
  let watching: Watching;
  const peers = () => cluster.nodes.map(({ peer, address6 }) => ({ ...peer, address6 }));
  const reach = () => eventually(() => ping(pods[0], pods[1].ipv4));
  beforeAll(async () => {
    cluster = await startCluster(3);
    nodes = cluster.nodes as unknown as typeof nodes;
    for (const node of nodes) {
      node.write(peersFile, JSON.stringify(peers()));
      declare(node, overlay(type));
    }
    pods = (await Promise.all(nodes.map((node) => addPod(node, overlay(type))))) as typeof pods;
  });
  afterAll(async () => cluster.stop());
  beforeEach(async () => {
    watching = await watch(nodes[0]);
    await reach();
  });
  afterEach(async () => watching.stop());

  const device = type === "vxlan" ? "pw-vxlan" : "eth0";
  const damages: Record<string, string> = {
    "routes flushed": "ip route flush proto 120; ip -6 route flush proto 120",
    "forwarding turned off": `echo 0 > /proc/sys/net/ipv4/ip_forward; echo 0 > /proc/sys/net/ipv4/conf/${device}/forwarding`,
    "IPv6 forwarding turned off": `echo 0 > /proc/sys/net/ipv6/conf/all/forwarding`,
    "nftables flushed": "nft flush ruleset",
    "the underlay's link flapped": "ip link set eth0 down; sleep 0.3; ip link set eth0 up",
    ...(type === "vxlan"
      ? {
          "the device deleted": "ip link delete pw-vxlan",
          "the device's MAC changed": "ip link set pw-vxlan address 02:00:00:00:00:01",
          "the device's MTU changed": "ip link set pw-vxlan mtu 1280",
          "the device down": "ip link set pw-vxlan down",
          "neighbours flushed": "ip neighbour flush dev pw-vxlan nud permanent",
          "its address gone": "ip address flush dev pw-vxlan",
          "IPv6 turned off on it, and routes flushed":
            "echo 1 > /proc/sys/net/ipv6/conf/pw-vxlan/disable_ipv6; ip route flush proto 120",
          "another device in its place":
            "ip link delete pw-vxlan; ip link add pw-vxlan type vxlan id 7 dstport 4789 dev eth0",
        }
      : {}),
  };
  test.each(Object.entries(damages))("is repaired after %s", async (_, script) => {
    const before = await stateOf(nodes[0]);
    await watching.asleep(async () => {
      await nodes[0].run("sh", "-c", script);
      // A tunnel's routes do not mind a link that comes back.
      if (type !== "vxlan" || !script.includes("eth0 down")) expect(await stateOf(nodes[0])).not.toBe(before);
    });
    await eventually(async () => expect(await stateOf(nodes[0])).toBe(before));
    await ping(pods[0], pods[1].ipv4);
    await ping(pods[1], pods[0].ipv4);
    await ping(pods[0], pods[2].ipv4);
  });

  test("follows the file of peers, and nobody else's packets are lost", async () => {
    const flow = pods[0].run("ping", "-n", "-i", "0.005", "-c", "400", "-q", pods[1].ipv4);
    const others = Array.from({ length: 40 }, (_, index) => ({
      node: `more${index}`,
      address: `192.0.2.${100 + index}`,
      podCIDRs: [`10.245.${index}.0/24`],
    }));
    for (const list of [[...peers(), ...others], peers().slice(0, 2), [...others, ...peers()], peers()]) {
      nodes[0].write(peersFile, JSON.stringify(list));
      const count = list.reduce((sum, { podCIDRs }) => sum + podCIDRs.length, 0) - 2;
      await eventually(async () => expect(await peerRoutes(nodes[0])).toHaveLength(count));
    }
    expect(await flow).toMatch(/400 received, 0% packet loss/);
  });

  test.each([
    ["half written", '[{"node": "n2", "addr', /is no JSON, perhaps it was being written/],
    ["empty", "", /is empty/],
    ["of another shape", '{"peers": []}', /has no list/],
    [
      "with a bad peer",
      '[{"node": "n7", "address": "192.0.2.7", "podCIDRs": ["10.300.0.0/24"]}]',
      /this is peer n7/,
    ],
    [
      "with this node's own prefix",
      '[{"node": "n7", "address": "192.0.2.7", "podCIDRs": ["10.244.1.0/24"]}]',
      /peer n7/,
    ],
    ["gone", undefined, /cannot be read/],
  ])("is kept, and repaired, while the file of peers is %s", async (_, content, words) => {
    const before = await stateOf(nodes[0]);
    if (content === undefined) await nodes[0].run("rm", peersFile);
    else nodes[0].write(peersFile, content);
    await eventually(() => expect(watching.said()).toMatch(words));
    expect(watching.said()).toMatch(/the last good configuration is kept/);
    expect(await stateOf(nodes[0])).toBe(before);
    await nodes[0].run("sh", "-c", "ip route flush proto 120");
    await eventually(async () => expect(await stateOf(nodes[0])).toBe(before));
    nodes[0].write(peersFile, JSON.stringify(peers()));
    await eventually(() => expect(watching.said()).toMatch(/all is as declared/));
  });

  test("is kept, and repaired, while no network is configured", async () => {
    const before = await stateOf(nodes[0]);
    await nodes[0].run("sh", "-c", "rm /etc/cni/net.d/*");
    await eventually(() =>
      expect(watching.said()).toMatch(/no overlay .* the last good configuration is kept/),
    );
    await nodes[0].run("sh", "-c", "ip route flush proto 120");
    await eventually(async () => expect(await stateOf(nodes[0])).toBe(before));
    declare(nodes[0], overlay(type));
    await eventually(() => expect(watching.said()).toMatch(/all is as declared/));
  });

  test("pods are added while the file of peers is broken", async () => {
    nodes[0].write(peersFile, "[");
    await eventually(() => expect(watching.said()).toMatch(/is no JSON/));
    const pod = await addPod(nodes[0], overlay(type), "late");
    await ping(pod, pods[1].ipv4);
    nodes[0].write(peersFile, JSON.stringify(peers()));
  });

  test("comes back after its keeper was killed and the kernel lost it", async () => {
    const before = await stateOf(nodes[0]);
    await watching.stop("SIGKILL");
    expect(await stateOf(nodes[0])).toBe(before);
    await nodes[0].run("sh", "-c", "ip link delete pw-vxlan 2> /dev/null; ip route flush proto 120");
    watching = await watch(nodes[0]);
    await eventually(async () => expect(await stateOf(nodes[0])).toBe(before));
    await ping(pods[0], pods[1].ipv4);
  });

  test("stays when its keeper ends, and no program is left of it", async () => {
    const before = await stateOf(nodes[0]);
    await watching.stop();
    expect(await stateOf(nodes[0])).toBe(before);
    await eventually(async () =>
      expect(
        await nodes[0].attempt("pgrep", [
          "--ns",
          String(nodes[0].pid),
          "--nslist",
          "net",
          "-a",
          "ip|nft|flock",
        ]),
      ).toMatchObject({ stdout: "" }),
    );
  });
});

async function stateOf(node: ClusterNode): Promise<string> {
  return node.run("sh", "-c", stateScript());
}

async function peerRoutes(node: ClusterNode): Promise<string[]> {
  const text = await node.run(
    "sh",
    "-c",
    "ip route show type unicast proto 120; ip -6 route show type unicast proto 120",
  );
  return text.split("\n").filter((line) => line !== "");
}
