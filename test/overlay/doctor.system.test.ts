// `podwire doctor` on the overlay: what differs from the declaration, and what becomes of packets to a peer.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { addPod, type Cluster, type ClusterNode, declare, startCluster } from "./cluster.ts";

interface Finding {
  readonly check: string;
  readonly level: string;
  readonly found: string;
}

let cluster: Cluster;
let node: ClusterNode;
let other: ClusterNode;
beforeEach(async () => {
  cluster = await startCluster(2);
  [node, other] = cluster.nodes as [ClusterNode, ClusterNode];
});
afterEach(async () => cluster.stop());

async function findings(check: string, ...words: string[]): Promise<Finding[]> {
  const { stdout, stderr } = await node.podwire("doctor", "--json", ...words);
  const all = JSON.parse(stdout || `"${stderr}"`) as Finding[];
  return all.filter((finding) => finding.check.startsWith(check));
}

async function applyAll(type: string, family = 4): Promise<void> {
  const peers = [node, other].map(({ peer, address, address6 }) =>
    family === 4 ? { ...peer, address, address6 } : { ...peer, address: address6 },
  );
  for (const each of [node, other]) {
    declare(each, { type, peers });
    const { exitCode, stderr } = await each.podwire("apply");
    expect(exitCode, stderr).toBe(0);
  }
}

describe("the overlay", () => {
  test("is fine when it is as declared, and what is missing is named when not", async () => {
    await applyAll("vxlan");
    expect(await findings("overlay")).toMatchObject([
      { level: "ok", found: "vxlan, MTU 1450, 2 prefixes of peers" },
    ]);
    await node.run("ip", "route", "flush", "proto", "120");
    expect(await findings("overlay")).toMatchObject([
      { level: "error", found: expect.stringMatching(/route 10\.244\.2\.0\/24 .* no such route/) },
    ]);
  });

  test("of pods that were wired before the underlay's MTU shrank is told", async () => {
    await applyAll("vxlan");
    const peers = [node.peer, other.peer];
    await addPod(node, { type: "vxlan", peers }, "old");
    await node.run("ip", "link", "set", "eth0", "mtu", "1400");
    const young = await addPod(node, { type: "vxlan", peers }, "young");
    expect(young.mtu).toBe(1350);
    expect(await findings("MTU of pods")).toMatchObject([
      { level: "warning", found: expect.stringMatching(/more than the overlay's 1350: old \(1450\)$/) },
    ]);
  });
});

test("the underlay is the link that was configured, not that of the default route", async () => {
  await node.run(
    "sh",
    "-ec",
    "ip link add eth1 mtu 1400 type veth peer name far1; ip link set far1 up; ip link set eth1 up; ip route replace default dev eth1",
  );
  declare(node, { type: "vxlan", underlay: "eth0", peers: [node.peer, other.peer] });
  expect((await node.podwire("apply")).exitCode).toBe(0);
  expect(await findings("underlay")).toMatchObject([{ level: "ok", found: "eth0, MTU 1500" }]);
  expect(await findings("MTU of network")).toEqual([]);
});

test("a route of others in the way of a peer's prefix is a fault, and so is what else is missing", async () => {
  await applyAll("vxlan");
  await node.run("ip", "route", "add", "10.244.2.0/24", "via", "192.0.2.254");
  const obstacle = {
    level: "error",
    found: expect.stringMatching(/10\.244\.2\.0\/24.*is in the way: .*192\.0\.2\.254/),
  };
  expect(await findings("overlay")).toMatchObject([obstacle]);
  await node.run("ip", "-6", "route", "flush", "proto", "120");
  const rest = { level: "error", found: expect.stringMatching(/fd00:10:244:2::\/64 .* no such route$/) };
  expect(await findings("overlay")).toMatchObject([obstacle, rest]);
});

test("pods of a network without an overlay may have the underlay's MTU", async () => {
  await applyAll("vxlan");
  const ipam = { type: "host-local", ranges: [[{ subnet: "10.99.0.0/24" }]] };
  const apart = {
    cniVersion: "1.1.0",
    name: "apart",
    plugins: [{ type: "podwire", overlay: { type: "none" }, ipam }],
  };
  node.write("/etc/cni/net.d/20-apart.conflist", JSON.stringify(apart));
  const large = await addPod(node, { type: "none" }, "large", { name: "apart", ipam });
  expect(large.mtu).toBe(1500);
  expect(await findings("MTU of pods")).toEqual([]);
});

describe.each([
  ["vxlan", 4],
  ["vxlan", 6],
  ["host-gw", 4],
] as const)("a probe by %s over IPv%s", (type, family) => {
  beforeEach(async () => applyAll(type, family));
  const probed = async () => {
    const [finding] = await findings("probe", "--probe", family === 4 ? other.address : other.address6);
    return `${finding?.level} ${finding?.found}`;
  };

  test("says fine where full packets arrive", async () => {
    expect(await probed()).toMatch(/^ok fine: packets of 1500 bytes are answered/);
  });

  test("takes a peer by its name, and an address however it is written", async () => {
    const written = family === 4 ? other.name : other.address6.toUpperCase();
    const [finding] = await findings("probe", "--probe", written);
    expect(finding).toMatchObject({ level: "ok" });
  });

  test("says blocked where none do", async () => {
    const drop =
      "nft 'add table inet f; add chain inet f c { type filter hook input priority -10; }; add rule inet f c";
    await other.run(
      "sh",
      "-c",
      `${drop} udp dport { 4789, 33434 } drop; add rule inet f c icmp type echo-request drop'`,
    );
    expect(await probed()).toMatch(/^error blocked/);
  });

  test("says that the MTU is too small where only small ones do", async () => {
    await cluster.underlay.run("ip", "link", "set", "n2", "mtu", "1400");
    expect(await probed()).toMatch(
      /^error MTU too small: of the 1500 bytes of eth0 only about (139[0-9]|1400) arrive/,
    );
  });
});

describe.each([
  ["rejects", "reject with icmpx type admin-prohibited"],
  ["drops", "drop"],
])("a probe of a peer whose firewall %s all but the tunnel and pings", (_, verdict) => {
  const firewall = `nft -f - << 'END'
    table inet f {
      chain c {
        type filter hook input priority 10; policy accept
        udp dport 4789 accept
        icmp type echo-request accept
        icmpv6 type { echo-request, nd-neighbor-solicit, nd-neighbor-advert } accept
        ${verdict}
      }
    }`.concat("\nEND\n");

  test.each([4, 6] as const)("says fine over IPv%i", async (family) => {
    await applyAll("vxlan", family);
    await other.run("sh", "-ec", firewall);
    const peer = family === 4 ? other.address : other.address6;
    expect(await findings("probe", "--probe", peer)).toMatchObject([
      { level: "ok", found: expect.stringMatching(/^fine: /) },
    ]);
    await other.run("nft", "insert", "rule", "inet", "f", "c", "udp", "dport", "4789", "drop");
    expect(await findings("probe", "--probe", peer)).toMatchObject([
      { level: "error", found: "blocked: the peer answers, but not on UDP port 4789" },
    ]);
  });
});

test("a probe tells a closed port from a peer that is down", async () => {
  await applyAll("vxlan");
  await other.run(
    "sh",
    "-c",
    "nft 'add table inet f; add chain inet f c { type filter hook input priority -10; }; add rule inet f c udp dport 4789 drop'",
  );
  expect(await findings("probe", "--probe", other.address)).toMatchObject([
    { found: "blocked: the peer answers, but not on UDP port 4789" },
  ]);
  await other.run("ip", "link", "set", "eth0", "down");
  expect(await findings("probe", "--probe", other.address)).toMatchObject([
    { found: "blocked: no answer, not even without the tunnel" },
  ]);
});

test("a probe tells that only packets of the tunnel's device are lost, as where a card spoils their checksums", async () => {
  await applyAll("vxlan");
  // By hand they forbid fragments, and the kernel's do not.
  const drop =
    "nft 'add table inet f; add chain inet f c { type filter hook output priority 0; }; add rule inet f c";
  await node.run("sh", "-c", `${drop} udp dport 4789 ip frag-off & 0x4000 == 0 drop'`);
  expect(await findings("probe", "--probe", other.address)).toMatchObject([
    {
      level: "error",
      found: "wrong checksums: packets made by hand are answered on UDP port 4789, those of pw-vxlan are not",
    },
  ]);
});
