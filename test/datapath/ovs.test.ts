// The Open vSwitch datapath by its plans: read the first test to know what podwire makes of a pod.
import { describe, expect, test } from "vitest";
import type { OvsSettings, Wiring } from "../../src/datapath/datapath.ts";
import { ovs } from "../../src/datapath/ovs.ts";
import { movesToPod, type PodObject } from "../../src/plan/plan.ts";
import { ipv4, ipv6, wiring } from "./wiring.ts";

const at = { database: "unix:/run/openvswitch/db.sock", bridge: "podwire0" };
const gatewayMac = "ee:70:77:00:00:01";
/** All follow from the names podnet, pod1 and eth0. */
const port = "pw73862bcce73ee";
const mac = "0a:cc:e7:3e:ed:74";
const alias = "podwire:podnet/pod1/eth0";

const onBridge = { where: "host", ...at };
const hostKey = (key: string, value: string) => ({ kind: "sysctl", where: "host", key, value });

function onSwitch(settings: Partial<OvsSettings> = {}, changes: Partial<Wiring> = {}): Wiring {
  const all: OvsSettings = {
    at,
    datapathType: "system",
    portType: "veth",
    row: "00000000-0000-4000-8000-000000000001",
    isForeign: false,
    localMac: gatewayMac,
    antiSpoofing: true,
    vlan: 0,
    trunk: [],
    labels: {},
    ...settings,
  };
  return wiring({ ovs: all, ...changes });
}

const localPort = {
  kind: "link",
  where: "host",
  shared: true,
  noAutomaticAddress: true,
  name: "podwire0",
  mac: gatewayMac,
  type: { kind: "ovs", bridge: at },
};

describe("the plan of a pod", () => {
  test("by veth: a pair, its host's end a port, the bridge's local port as the way to the host", () => {
    const labels = { "pod-name": "web", "pod-namespace": "shop", "iface-id": "lsp1" };
    const { plan, interfaces, ips } = ovs.wire(onSwitch({ labels }, { ipMasq: true }));
    const host = { name: port, mac: gatewayMac, mtu: 1450 };
    const pod = { name: "eth0", mac, mtu: 1450 };
    expect(plan).toEqual([
      {
        kind: "link",
        where: "host",
        ...host,
        alias,
        noAutomaticAddress: true,
        type: { kind: "veth", makesPair: true, peer: { where: "pod", ...pod } },
      },
      { kind: "ovs-bridge", ...onBridge, datapathType: "system", mac: gatewayMac },
      {
        kind: "ovs-port",
        ...onBridge,
        name: port,
        type: { kind: "system" },
        trunk: [],
        externalIds: {
          podwire: "podnet/pod1/eth0",
          "container-id": "pod1",
          ...labels,
          "attached-mac": mac,
          ip: "10.244.1.7",
        },
      },
      localPort,
      { kind: "address", where: "host", link: "podwire0", address: "169.254.1.1/32", scope: "host" },
      { kind: "route", where: "host", link: "podwire0", dst: "10.244.1.7/32", mtu: 1450, scope: 253 },
      { kind: "neighbour", where: "host", link: "podwire0", address: "10.244.1.7", mac },
      hostKey("net/ipv4/conf/podwire0/forwarding", "1"),
      hostKey("net/ipv6/conf/podwire0/accept_ra", "0"),
      {
        kind: "ovs-flows",
        ...onBridge,
        cookie: "0x7077000000000000",
        shared: true,
        flows: expect.arrayContaining([
          { table: 241, priority: 1, match: "", actions: `set_field:${gatewayMac}->eth_dst,LOCAL` },
        ]),
      },
      {
        kind: "ovs-flows",
        ...onBridge,
        cookie: "0x707773862bcce73e",
        flows: expect.arrayContaining([
          {
            table: 241,
            priority: 60,
            match: "ip,vlan_tci=0x0000/0x1fff,nw_dst=10.244.1.7",
            actions: `check_pkt_larger(1464)->NXM_NX_REG0[0],set_field:${mac}->eth_dst,resubmit(,244)`,
          },
        ]),
      },
      {
        kind: "link",
        where: "pod",
        ...pod,
        type: { kind: "veth", makesPair: false, peer: { where: "host", ...host } },
      },
      { kind: "address", where: "pod", link: "eth0", address: "10.244.1.7/32" },
      { kind: "route", where: "pod", link: "eth0", dst: "169.254.1.1/32", scope: 253, priority: 0 },
      { kind: "neighbour", where: "pod", link: "eth0", address: "169.254.1.1", mac: gatewayMac },
      { kind: "route", where: "pod", link: "eth0", dst: "0.0.0.0/0", gateway: "169.254.1.1", priority: 0 },
      {
        kind: "masquerade",
        where: "host",
        network: "podnet",
        sources: ["10.244.1.7"],
        direct: ["10.244.1.0/24"],
        shortcuts: ["podwire0"],
      },
      hostKey("net/ipv4/ip_forward", "1"),
      { ...hostKey(`net/ipv4/conf/${port}/forwarding`, "0"), yielding: true },
      { ...hostKey(`net/ipv6/conf/${port}/disable_ipv6`, "1"), yielding: true },
    ]);
    expect(interfaces).toEqual([host, { ...pod, sandbox: "/run/netns/pod1" }]);
    expect(ips).toEqual([{ address: "10.244.1.7/32", gateway: "169.254.1.1", interface: 1 }]);
  });

  test("with a trunk: what comes in its VLANs from elsewhere is shared with others that have them", () => {
    const shared = (settings: Partial<OvsSettings>) =>
      ovs
        .wire(onSwitch({ trunk: [10, 4094], ...settings }))
        .plan.filter((object) => object.kind === "ovs-flows" && object.shared)
        .map((object) => (object.kind === "ovs-flows" ? object.cookie : undefined));
    const base = "0x7077000000000000";
    expect(shared({})).toEqual([base, "0x707700000001000a", "0x7077000000010ffe"]);
    expect(shared({ isForeign: true })).toEqual([base]);
  });

  test("by an internal port: Open vSwitch makes the link, which moves to the pod", () => {
    const { plan, interfaces } = ovs.wire(onSwitch({ portType: "internal", datapathType: "netdev" }));
    const type = { kind: "ovs", bridge: at };
    const kinds = plan.map(({ kind }) => kind);
    expect(kinds.slice(0, 4)).toEqual(["ovs-bridge", "ovs-port", "link", "link"]);
    expect(plan[1]).toMatchObject({ type: { kind: "internal", mac, mtu: 1450 } });
    expect(plan[3]).toEqual({
      kind: "link",
      where: "host",
      name: port,
      alias,
      type: { ...type, movesToPodAs: "eth0" },
    });
    expect(plan).toContainEqual({ kind: "link", where: "pod", name: "eth0", mac, mtu: 1450, type });
    expect(interfaces[0]).toEqual({ name: "podwire0", mac: gatewayMac });
  });

  test("by veth: the host routes nothing from its end, also without IPv6 in the kernel and for an MTU that has none", () => {
    const ofEnd = (changes: Partial<Wiring>, settings: Partial<OvsSettings> = {}) =>
      ovs
        .wire(onSwitch(settings, changes))
        .plan.flatMap((object) => (object.kind === "sysctl" ? object.key : []))
        .filter((key) => key.includes(`/${port}/`));
    const forwarding = `net/ipv4/conf/${port}/forwarding`;
    const host = { ipv6: false, ipv6OffByDefault: false, advertisedLinks: [] };
    expect(ofEnd({ host })).toEqual([forwarding]);
    expect(ofEnd({ mtu: 1279 })).toEqual([forwarding]);
    expect(ofEnd({ ips: [ipv6], routes: [] })).toEqual([forwarding, `net/ipv6/conf/${port}/disable_ipv6`]);
    expect(ofEnd({}, { portType: "internal" })).toEqual([]);
  });

  test("flows come when nothing on the host was refused, and what is shared before what cannot be made twice", () => {
    const { plan } = ovs.wire(onSwitch({ portType: "internal", vlan: 100 }, { ips: [ipv4, ipv6] }));
    const at = (wanted: (object: PodObject) => boolean) => plan.findIndex(wanted);
    const route = at(({ kind, where }) => kind === "route" && where === "host");
    const vlan = at((object) => object.kind === "link" && object.type.kind === "vlan");
    const moving = at((object) => object.kind === "link" && movesToPod(object));
    expect(route).toBeLessThan(at(({ kind }) => kind === "ovs-flows"));
    expect(vlan).toBeLessThan(moving);
  });

  test("the host's IPv6 route to the pod keeps its MTU when the bridge's link gets its own", () => {
    const { plan } = ovs.wire(onSwitch({}, { ips: [ipv6], routes: [] }));
    const route = { kind: "route", where: "host", link: "podwire0", dst: "fd00:10:244:1::7/128" };
    expect(plan).toContainEqual({ ...route, mtu: 1450, mtuLocked: true });
  });

  test("by an internal port of the kernel's datapath: it keeps its name, eth0 is a second one", () => {
    const { plan, interfaces } = ovs.wire(onSwitch({ portType: "internal" }));
    const type = { kind: "ovs", bridge: at };
    expect(plan).toContainEqual({
      kind: "link",
      where: "host",
      name: port,
      alias,
      type: { ...type, movesToPodAs: port },
    });
    expect(plan).toContainEqual({
      kind: "link",
      where: "pod",
      name: port,
      altName: "eth0",
      mac,
      mtu: 1450,
      type,
    });
    const inPod = plan.filter(
      ({ kind, where }) => where === "pod" && (kind === "route" || kind === "address"),
    );
    expect(inPod).toEqual(inPod.map((object) => ({ ...object, link: port })));
    expect(plan).toContainEqual(expect.objectContaining({ dst: "0.0.0.0/0", priority: 0 }));
    expect(interfaces[1]).toMatchObject({ name: "eth0" });
  });

  test("on a bridge of others: the local port keeps its addresses and settings", () => {
    const host = { ipv6: true, ipv6OffByDefault: true, advertisedLinks: ["podwire0"] };
    const { plan } = ovs.wire(onSwitch({ isForeign: true }, { ips: [ipv4, ipv6], host }));
    const onLocalPort = plan.filter(
      (object) =>
        object.where === "host" &&
        ((object.kind === "link" && object.name === "podwire0") ||
          (object.kind === "address" && object.link === "podwire0") ||
          (object.kind === "sysctl" && object.key.includes("/podwire0/"))),
    );
    expect(onLocalPort).toEqual([
      { kind: "link", where: "host", shared: true, name: "podwire0", mac: gatewayMac, type: localPort.type },
      hostKey("net/ipv4/conf/podwire0/forwarding", "1"),
      // First, or with forwarding on the kernel would forget the router that it has been told of.
      hostKey("net/ipv6/conf/podwire0/accept_ra", "2"),
      hostKey("net/ipv6/conf/podwire0/forwarding", "1"),
    ]);
  });

  test("in a VLAN: the host reaches it by a link of that VLAN alone", () => {
    const { plan } = ovs.wire(onSwitch({ vlan: 100 }, { ips: [ipv4, ipv6], ipMasq: true }));
    const [link] = plan.flatMap((object) =>
      object.kind === "link" && object.type.kind === "vlan" ? object.name : [],
    );
    expect(link).toMatch(/^pwv064[0-9a-f]{8}$/);
    expect(plan).toContainEqual({
      kind: "link",
      where: "host",
      shared: true,
      noAutomaticAddress: true,
      name: link,
      type: { kind: "vlan", master: "podwire0", id: 100 },
    });
    const routes = plan.filter((object) => object.kind === "route" && object.where === "host");
    expect(routes).toHaveLength(2);
    expect(routes).toEqual(routes.map((route) => ({ ...route, link })));
    expect(plan).toContainEqual(expect.objectContaining({ kind: "masquerade", shortcuts: [link] }));
  });
});

test("the traces of an attachment are its link, its port and its flows", () => {
  const traces = ovs.traces({ network: "podnet", containerID: "pod1", ifname: "eth0" }, at);
  expect(traces).toEqual([
    expect.objectContaining({ kind: "link", where: "host", name: port }),
    expect.objectContaining({ kind: "ovs-port", ...onBridge, name: port }),
    expect.objectContaining({ kind: "ovs-flows", ...onBridge, cookie: "0x707773862bcce73e" }),
  ]);
});

test("an MTU too small for IPv6 is refused with code 7", () => {
  expect(() => ovs.wire(onSwitch({}, { mtu: 1279, ips: [ipv6], routes: [] }))).toThrow(
    expect.objectContaining({ code: 7, details: expect.stringContaining("mtu 1279") }),
  );
});
