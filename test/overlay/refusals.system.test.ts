// What cannot be applied is refused with a reason that names it, and nothing is applied by halves; what others made is left alone.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { cni } from "../fixture/calls.ts";
import { expectFailure } from "../fixture/failure.ts";
import { addPod, type Cluster, type ClusterNode, declare, entryFor, ping, startCluster } from "./cluster.ts";

let cluster: Cluster;
let node: ClusterNode;
let other: ClusterNode;
beforeEach(async () => {
  cluster = await startCluster(2);
  [node, other] = cluster.nodes as [ClusterNode, ClusterNode];
});
afterEach(async () => cluster.stop());

const n2 = { node: "n2", address: "192.0.2.2", podCIDRs: ["10.244.2.0/24"] };

/** All that an overlay could change. */
async function network(of: ClusterNode): Promise<string> {
  return of.run(
    "sh",
    "-c",
    "ip -br link; ip -br address; ip route show table all | grep -v fe80; ip neigh show nud permanent; nft list ruleset",
  );
}

async function refused(overlay: object, ...words: RegExp[]): Promise<void> {
  const before = await network(node);
  declare(node, overlay);
  const { exitCode, stderr } = await node.podwire("apply");
  expect(exitCode, stderr).toBe(1);
  for (const word of words) expect(stderr).toMatch(word);
  await node.addPod("pod1");
  const config = { cniVersion: "1.1.0", name: "podnet", ...entryFor(node, overlay) };
  expectFailure(await cni(node, { verb: "ADD", config }), [2, 7, 108], ...words);
  expect(await network(node)).toBe(before);
}

describe("apply and ADD refuse", () => {
  test.each([
    [
      "a VNI out of range",
      { type: "vxlan", vni: 16777216 },
      /vni = 16777216; expected a whole number from 1 to 16777215/,
    ],
    [
      "a type whose kernel module is not there",
      { type: "stt", peers: [n2] },
      /the kernel module podwire_stt is neither loaded nor installed .* podwire stt load/,
    ],
    ["a misspelt key", { type: "vxlan", peer: [] }, /peer = \[\] is not known/],
    [
      "a peer's prefix with the node's gateway in it",
      { type: "vxlan", peers: [{ ...n2, podCIDRs: ["192.0.2.254/32"] }] },
      /podCIDR 192\.0\.2\.254\/32 of peer n2.* overlaps 192\.0\.2\.254, the gateway of this node's default route/,
    ],
    ["an underlay that is not there", { type: "vxlan", underlay: "eth9" }, /eth9/],
    [
      "an underlay that leads nowhere",
      { type: "vxlan", underlay: "lo" },
      /underlay = "lo" is lo, which leads to no/,
    ],
    [
      "an underlay address that leads nowhere",
      { type: "vxlan", underlay: "127.0.0.1", peers: [n2] },
      /underlay = "127\.0\.0\.1" is lo, which leads to no/,
    ],
    [
      "an underlay address that is not the node's",
      { type: "vxlan", underlay: "192.0.2.77" },
      /192\.0\.2\.77/,
    ],
    [
      "a peer of the other family",
      { type: "vxlan", peers: [n2, { ...n2, address: "2001:db8::2", podCIDRs: [], node: "n6" }] },
      /peer n6: address 2001:db8::2 is IPv6/,
    ],
    [
      "a peer with the node's own prefix",
      { type: "vxlan", peers: [{ ...n2, podCIDRs: ["10.244.1.0/24"] }] },
      /peer n2 .*this node's own pods/,
    ],
    [
      "a peer that is not on the link",
      { type: "host-gw", peers: [{ ...n2, address: "198.51.100.2" }] },
      /peer n2: address 198\.51\.100\.2 is not on the link eth0/,
    ],
    [
      "a peer that is reached by no network",
      { type: "vxlan", peers: [{ ...n2, address: "224.0.0.5" }] },
      /address = "224\.0\.0\.5" of peer n2 is one of 224\.0\.0\.0\/4, addresses of groups/,
    ],
    [
      "peers with overlapping prefixes",
      {
        type: "host-gw",
        peers: [n2, { ...n2, node: "n3", address: "192.0.2.3", podCIDRs: ["10.244.2.128/25"] }],
      },
      /10\.244\.2\.128\/25 of peer n3 .*overlaps podCIDR 10\.244\.2\.0\/24 of peer n2/,
    ],
    [
      "a device larger than its underlay",
      { type: "vxlan", mtu: 1500 },
      /overlay\.mtu = 1500; expected at most 1450/,
    ],
    [
      "a file that is not there",
      { type: "vxlan", peersFile: "/etc/podwire/none.json" },
      /peersFile cannot be read.*none\.json/,
    ],
  ])("%s", async (_, overlay, words) => {
    await refused(overlay, words);
  });

  test("one bad peer among thousands, naming it", async () => {
    const peers = Array.from({ length: 5000 }, (_, index) => ({
      node: `node${index}`,
      address: `198.${18 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`,
      podCIDRs: [`10.${(index >> 8) & 127}.${index & 255}.0/24`],
    }));
    peers[4321] = { node: "n4321", address: "198.18.16.999", podCIDRs: [] };
    node.write("/etc/podwire/peers.json", JSON.stringify(peers));
    await refused(
      { type: "vxlan", peersFile: "/etc/podwire/peers.json" },
      /4321\.address = "198\.18\.16\.999".*this is peer n4321/,
    );
  });

  test("a port that somebody else's vxlan has, naming it", async () => {
    const script =
      "ip link add flannel.1 type vxlan id 1 dev eth0 dstport 8472 nolearning; ip link set flannel.1 up";
    await node.run("sh", "-ec", script);
    await refused(
      { type: "vxlan", port: 8472, peers: [n2] },
      /UDP port 8472 is in use by the vxlan link flannel\.1/,
    );
  });

  test("a port that a vxlan of another metadata user has, naming it", async () => {
    await node.run(
      "sh",
      "-ec",
      "ip link add cilium_vxlan type vxlan external dstport 8472; ip link set cilium_vxlan up",
    );
    await refused(
      { type: "vxlan", port: 8472, peers: [n2] },
      /8472 is in use by the vxlan link cilium_vxlan/,
    );
  });

  test("a port that a vxlan has which was moved out of sight, as Docker's are", async () => {
    const script = `
      ip netns add overlay-1
      ip link add vx-1 type vxlan id 4097 dstport 4789 nolearning
      ip link set vx-1 netns overlay-1
      ip -n overlay-1 link set vx-1 up`;
    await node.run("sh", "-ec", script);
    await refused({ type: "vxlan", peers: [n2] }, /UDP port 4789 is in use by another program, or .* Docker/);
  });

  test("a port out of vxlan's range", async () => {
    await refused({ type: "vxlan", port: 0 }, /port = 0; expected a whole number from 1 to 65535/);
  });
});

test("two networks with different overlays are refused by both names", async () => {
  for (const [name, type] of [
    ["a", "vxlan"],
    ["b", "host-gw"],
  ] as const) {
    const list = { cniVersion: "1.1.0", name, plugins: [entryFor(node, { type, peers: [n2] })] };
    node.write(`/etc/cni/net.d/${name}.conflist`, JSON.stringify(list));
  }
  const { exitCode, stderr } = await node.podwire("apply");
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(/networks a and b have different overlays/);
});

test("overlay none leaves nothing, and what is not podwire's stays", async () => {
  await node.run("sh", "-ec", "ip route add 10.99.0.0/16 via 192.0.2.2; nft add table inet other");
  const before = await network(node);
  declare(node, { type: "vxlan", peers: [n2] });
  expect((await node.podwire("apply")).exitCode).toBe(0);
  expect(await network(node)).not.toBe(before);
  for (const type of ["host-gw", "vxlan"]) {
    declare(node, { type, peers: [n2] });
    expect((await node.podwire("apply")).stdout).toMatch(/changes/);
    expect((await node.podwire("apply")).stdout).toMatch(/nothing to change/);
  }
  declare(node, { type: "none" });
  expect((await node.podwire("apply")).exitCode).toBe(0);
  expect(await network(node)).toBe(before);
});

test("tunnel packets are taken from peers only, and with their VNI", async () => {
  const overlay = (vni: number) => ({ type: "vxlan", vni, peers: [node.peer, other.peer] });
  const one = await addPod(node, overlay(5));
  const two = await addPod(other, overlay(5));
  await ping(one, two.ipv4);
  // The other node knows this one, but not the other way round.
  declare(node, { ...overlay(5), peers: [{ ...other.peer, address: "192.0.2.77" }] });
  expect((await node.podwire("apply")).exitCode).toBe(0);
  const intoTunnel =
    "ip route replace 10.244.2.0/24 encap ip id 5 dst 192.0.2.2 csum via 10.244.2.0 dev pw-vxlan onlink";
  await node.run(
    "sh",
    "-c",
    `ip route flush proto 120; ${intoTunnel}; ip neigh replace 10.244.2.0 lladdr 0a:70:c0:00:02:02 dev pw-vxlan nud permanent`,
  );
  await expect(ping(one, two.ipv4)).rejects.toThrow(/100% packet loss/);
  await node.run("nft", "add", "element", "inet", "podwire", "tunnels4", "{ 192.0.2.2 }");
  await ping(one, two.ipv4);
  declare(other, overlay(6));
  expect((await other.podwire("apply")).exitCode).toBe(0);
  await expect(ping(two, one.ipv4)).rejects.toThrow(/100% packet loss/);
});

test("a foreign vxlan on another port is left alone", async () => {
  const script =
    "ip link add flannel.1 type vxlan id 1 dev eth0 dstport 8472 nolearning; ip link set flannel.1 up";
  await node.run("sh", "-ec", script);
  const foreign = () => node.run("ip", "-d", "link", "show", "flannel.1");
  const before = await foreign();
  declare(node, { type: "vxlan", peers: [n2] });
  expect((await node.podwire("apply")).exitCode).toBe(0);
  declare(node, { type: "none" });
  expect((await node.podwire("apply")).exitCode).toBe(0);
  expect(await foreign()).toBe(before);
});

test("with masquerading, pods of other nodes see a pod's own address", async () => {
  const overlay = { type: "vxlan", peers: [node.peer, other.peer] };
  const one = await addPod(node, overlay, "one", { ipMasq: true });
  const two = await addPod(other, overlay, "two", { ipMasq: true });
  await two.run(
    "sh",
    "-c",
    "nft 'add table t; add chain t c { type filter hook input priority 0; }; add rule t c ip protocol icmp ip saddr 10.244.1.0/24 counter accept; add rule t c ip protocol icmp drop'",
  );
  await ping(one, two.ipv4);
});

test("directRouting needs no tunnel on the link, and has it for others", async () => {
  const overlay = { type: "vxlan", directRouting: true, peers: [node.peer, other.peer] };
  const one = await addPod(node, overlay);
  const two = await addPod(other, overlay);
  await ping(one, two.ipv4);
  await ping(two, one.ipv6);
  expect(await node.run("ip", "route", "get", two.ipv4)).toMatch(/via 192\.0\.2\.2 dev eth0/);
});

test("STATUS says that the node cannot take pods while the module of its overlay is not there", async () => {
  const status = (overlay: object) =>
    cni(node, {
      verb: "STATUS",
      config: { cniVersion: "1.1.0", name: "podnet", ...entryFor(node, overlay) },
    });
  expectFailure(await status({ type: "stt", peers: [n2] }), 50, /podwire_stt/, /podwire stt load/);
  expect(await status({ type: "vxlan", peers: [n2] })).toMatchObject({ exitCode: 0 });
});

test("an overlay whose module is not there leaves the one before it as it was, its filter too", async () => {
  declare(node, { type: "vxlan", peers: [n2] });
  expect((await node.podwire("apply")).exitCode).toBe(0);
  await refused({ type: "stt", peers: [n2] }, /podwire stt load/);
});

test("an underlay with a name of podwire's own is refused", async () => {
  const link = "ip link add pw0 type bridge; ip address add 198.51.100.1/24 dev pw0; ip link set pw0 up";
  await node.run("sh", "-ec", link);
  try {
    declare(node, { type: "vxlan", underlay: "pw0", peers: [n2] });
    const { exitCode, stderr } = await node.podwire("apply");
    expect({ exitCode, stderr }).toMatchObject({
      exitCode: 1,
      stderr: expect.stringMatching(/underlay pw0 has a name/),
    });
  } finally {
    await node.run("ip", "link", "delete", "pw0");
  }
});
