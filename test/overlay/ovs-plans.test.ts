// Overlays on a bridge of Open vSwitch by their plans: read the first test to know what podwire makes of a node's peers.
import { describe, expect, test } from "vitest";
import { parseNetwork } from "../../src/config/load.ts";
import type { PeerConfig } from "../../src/config/overlay.ts";
import { requireSupported } from "../../src/datapath/choice.ts";
import { podFlows } from "../../src/datapath/ovs-flows.ts";
import type { WantedOverlay } from "../../src/overlay/overlay.ts";
import { overlays } from "../../src/overlay/registry.ts";
import type { BridgeInUse } from "../../src/plan/ovs/bridge.ts";
import type { OvsFlow, Plan } from "../../src/plan/plan.ts";
import { n2, n3, request } from "./request.ts";

const at = { database: "unix:/run/openvswitch/db.sock", bridge: "podwire0" };
const localMac = "ee:70:77:00:00:01";
const onHost = { where: "host" } as const;
const onBridge = { ...onHost, ...at };

function planOf(
  config: WantedOverlay,
  peers: readonly PeerConfig[] = [n2],
  own: Parameters<typeof request>[2] = {},
  changes: Partial<BridgeInUse> = {},
): Plan {
  const bridge = { at, datapathType: "system" as const, isForeign: false, localMac, ...changes };
  return overlays[config.type].plan({ ...request(config, peers, own), bridge }).plan;
}

function flowObjectsIn(plan: Plan): OvsFlow[] {
  return plan.flatMap((object) => (object.kind === "ovs-flows" ? object.flows : []));
}

function flowsIn(plan: Plan): string[] {
  return flowObjectsIn(plan).map(
    ({ table, priority, match, actions }) => `${table} ${priority} ${match} -> ${actions}`,
  );
}

const toPeers = (plan: Plan) => flowsIn(plan).filter((flow) => flow.startsWith("241 56"));

describe("vxlan", () => {
  test("is a tunnel port, a port for the host with the device's name, and a flow per prefix with its destination", () => {
    const plan = planOf({ type: "vxlan" });
    const external = { trunk: [], externalIds: { podwire: "overlay" } };
    const link = { kind: "link", ...onHost, noAutomaticAddress: true, type: { kind: "ovs", bridge: at } };
    const mac = "0a:70:c0:00:02:01";
    expect(plan).toEqual([
      expect.objectContaining({
        kind: "peer-sets",
        filter: { port: 4789, id: 4096, addresses: ["192.0.2.2"] },
      }),
      { kind: "ovs-bridge", ...onBridge, datapathType: "system", mac: localMac },
      {
        kind: "ovs-port",
        ...onBridge,
        ...external,
        name: "pw-tunnel",
        type: { kind: "vxlan", port: 4789, local: "192.0.2.1", checksum: true },
      },
      {
        kind: "ovs-port",
        ...onBridge,
        ...external,
        name: "pw-vxlan",
        type: { kind: "internal", mac, mtu: 1450 },
      },
      { kind: "ovs-flows", ...onBridge, cookie: "0x7077000000000001", flows: expect.anything() },
      { ...link, name: "podwire0", mac: localMac, shared: true },
      { ...link, name: "pw-vxlan", mac, mtu: 1450 },
      { kind: "address", ...onHost, link: "pw-vxlan", address: "10.244.1.0/32" },
      { kind: "neighbour", ...onHost, link: "pw-vxlan", address: "10.244.2.0", mac: "0a:70:c0:00:02:02" },
      {
        kind: "route",
        ...onHost,
        protocol: 120,
        link: "pw-vxlan",
        dst: "10.244.2.0/24",
        gateway: "10.244.2.0",
        priority: 2562,
      },
      expect.objectContaining({ kind: "route", dst: "10.244.1.0/24", isDeadEnd: true }),
      { kind: "sysctl", ...onHost, key: "net/ipv4/conf/pw-vxlan/forwarding", value: "1" },
      { kind: "sysctl", ...onHost, key: "net/ipv4/ip_forward", value: "1" },
    ]);
    const unicast = "dl_dst=00:00:00:00:00:00/01:00:00:00:00:00";
    expect(flowsIn(plan)).toEqual([
      `0 200 ip,tun_id=0x1000,in_port="pw-tunnel",${unicast} -> resubmit(,241)`,
      `0 200 ipv6,tun_id=0x1000,in_port="pw-tunnel",${unicast} -> resubmit(,241)`,
      `0 200 ip,in_port="pw-vxlan",${unicast} -> resubmit(,241)`,
      `0 200 ipv6,in_port="pw-vxlan",${unicast} -> resubmit(,241)`,
      '0 190 in_port="pw-tunnel" -> drop',
      '0 190 in_port="pw-vxlan" -> drop',
      '241 55 in_port="pw-tunnel" -> output:"pw-vxlan"',
      '242 20 in_port="pw-vxlan" -> output:"pw-tunnel"',
      `242 10 reg0=0x1/0x1 -> set_field:${localMac}->eth_dst,LOCAL`,
      `242 10 ip,nw_frag=yes -> set_field:${localMac}->eth_dst,LOCAL`,
      `242 10 ipv6,nw_frag=yes -> set_field:${localMac}->eth_dst,LOCAL`,
      '242 1  -> output:"pw-tunnel"',
      ...["reg0=0x1/0x1", "ip,nw_frag=yes", "ipv6,nw_frag=yes"].map(
        (match) =>
          `244 30 ${match},in_port="pw-tunnel" -> set_field:0a:70:c0:00:02:01->eth_dst,output:"pw-vxlan"`,
      ),
      "241 56 ip,vlan_tci=0x0000/0x1fff,nw_dst=10.244.2.0/24 -> " +
        `set_field:${mac}->eth_src,set_field:0a:70:c0:00:02:02->eth_dst,set_field:0x1000->tun_id,` +
        "set_field:192.0.2.2->tun_dst,check_pkt_larger(1464)->NXM_NX_REG0[0],resubmit(,242)",
    ]);
  });

  test("is not given away to a pod that asks for a node's tunnel MAC, and gives no pod's address away", () => {
    const mac = "0a:70:c0:00:02:02";
    const pod = { port: "pw1", mac, localMac, ips: ["10.244.2.7"], mtu: 1450, vlan: 0, trunk: [] };
    const toPod = podFlows({ ...pod, antiSpoofing: true, answersAll: false });
    const priorities = (flows: readonly OvsFlow[], match: RegExp) =>
      flows.filter((flow) => flow.table === 241 && match.test(flow.match)).map(({ priority }) => priority);
    const overlay = priorities(flowObjectsIn(planOf({ type: "vxlan" })), /pw-tunnel|nw_dst/);
    expect(overlay).toHaveLength(2);
    expect(Math.min(...overlay)).toBeGreaterThan(Math.max(...priorities(toPod, /dl_dst/)));
    expect(Math.max(...overlay)).toBeLessThan(Math.min(...priorities(toPod, /nw_dst/)));
  });

  test("carries IPv6 pods, over IPv6 too", () => {
    const peer = { ...n2, address: "2001:db8::2", podCIDRs: ["fd00:10:244:2::/64", "10.244.2.7/32"] };
    const flows = toPeers(planOf({ type: "vxlan" }, [peer], { local: "2001:db8::1" }));
    expect(flows).toEqual([
      expect.stringMatching(
        /ipv6_dst=fd00:10:244:2::\/64 -> .*set_field:2001:db8::2->tun_ipv6_dst,check_pkt_larger\(1444\)/,
      ),
      expect.stringMatching(/nw_dst=10\.244\.2\.7 -> .*->tun_ipv6_dst/),
    ]);
  });

  test("has the settings of its configuration", () => {
    const plan = planOf({
      type: "vxlan",
      vni: 7,
      port: 8472,
      mtu: 1400,
      udpcsum: false,
      tos: 8,
      ttl: 3,
      peerFilter: false,
    });
    expect(plan).toContainEqual(
      expect.objectContaining({
        type: { kind: "vxlan", port: 8472, local: "192.0.2.1", checksum: false, tos: 8, ttl: 3 },
      }),
    );
    expect(toPeers(plan)[0]).toMatch(/set_field:0x7->tun_id,.*check_pkt_larger\(1414\)/);
  });

  test("changes no setting of a bridge of others", () => {
    const links = planOf({ type: "vxlan" }, [n2], {}, { isForeign: true }).filter(
      ({ kind }) => kind === "link",
    );
    expect(links).toEqual([
      {
        kind: "link",
        ...onHost,
        shared: true,
        name: "podwire0",
        mac: localMac,
        type: { kind: "ovs", bridge: at },
      },
      expect.objectContaining({ name: "pw-vxlan", noAutomaticAddress: true }),
    ]);
  });

  test("with directRouting leaves peers on the link to the host", () => {
    const flows = toPeers(planOf({ type: "vxlan", directRouting: true }, [n2, n3]));
    expect(flows).toEqual([expect.stringContaining("nw_dst=10.244.3.0/24")]);
  });

  test("has no range of source ports", () => {
    expect(() => planOf({ type: "vxlan", sourcePorts: "40000-50000" })).toThrow(
      expect.objectContaining({
        code: 7,
        details: expect.stringMatching(/Open vSwitch has no such setting/),
      }),
    );
  });
});

test("geneve differs from vxlan by its names and port", () => {
  const [vxlan, geneve] = (["vxlan", "geneve"] as const).map((type) => JSON.stringify(planOf({ type })));
  expect(geneve).toBe(vxlan?.replaceAll("vxlan", "geneve").replaceAll("4789", "6081"));
});

test("host-gw needs nothing of the bridge", () => {
  const config = { type: "host-gw" } as const;
  expect(planOf(config)).toEqual(overlays["host-gw"].plan(request(config)).plan);
});

describe("a bridge in userspace", () => {
  const network = (type: string) =>
    parseNetwork({
      name: "podnet",
      type: "podwire",
      datapath: "ovs",
      ovs: { datapathType: "netdev" },
      overlay: { type, peers: [] },
      ipam: { type: "host-local" },
    });
  const refusal = expect.objectContaining({
    code: 7,
    details: expect.stringMatching(/netdev.*use overlay host-gw/),
  });

  test.each(["vxlan", "geneve"] as const)(
    "cannot have %s, by its configuration or as it is found",
    (type) => {
      expect(() => requireSupported(network(type))).toThrow(refusal);
      expect(() => planOf({ type }, [n2], {}, { datapathType: "netdev" })).toThrow(refusal);
    },
  );

  test("can have host-gw", () => {
    expect(() => requireSupported(network("host-gw"))).not.toThrow();
  });
});
