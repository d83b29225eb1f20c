// The ipvlan datapath by its plans: read the first three tests to know what podwire makes of a pod in each mode.
import { describe, expect, test } from "vitest";
import { ipvlan } from "../../src/datapath/ipvlan.ts";
import { inMode, master, settings } from "./ipvlan-wiring.ts";
import { ipv4, ipv6 } from "./wiring.ts";

/** Follows from the names podnet, pod1 and eth0. */
const podLink = "pw73862bcce73ee";
const alias = "podwire:podnet/pod1/eth0";
/** Follow from the master's name, ens3, with a letter for mode and flag. */
const hostSlave = { l2: "pwi2b914a7c60", l3: "pwi3b914a7c60", l3s: "pwisb914a7c60" };

const hostKey = (key: string, value: string) => ({ kind: "sysctl", where: "host", key, value });
const podKey = (key: string, value: string) => ({ kind: "sysctl", where: "pod", key, value });
const both = { ips: [ipv4, ipv6], routes: [{ dst: "0.0.0.0/0" }, { dst: "::/0" }] };

describe("the plan of a pod", () => {
  test("in mode l3s: the host's slave with its routes, the pod's slave, routes without a gateway", () => {
    const type = { kind: "ipvlan", master: "ens3", mode: "l3s", flag: "bridge" };
    const link = hostSlave.l3s;
    expect(ipvlan.wire(inMode("l3s", { ...both, ipMasq: true })).plan).toEqual([
      { kind: "link", where: "host", name: link, shared: true, noAutomaticAddress: true, type },
      { kind: "route", where: "host", link, dst: "10.244.1.7/32", scope: 253, source: "192.0.2.1" },
      { kind: "route", where: "host", link, dst: "10.244.1.7/32", scope: 253, priority: 1 },
      { kind: "route", where: "host", link, dst: "fd00:10:244:1::7/128", source: "2001:db8::1" },
      { kind: "link", where: "host", name: podLink, alias, type: { ...type, movesToPodAs: "eth0" } },
      hostKey(`net/ipv4/conf/${link}/forwarding`, "1"),
      hostKey(`net/ipv6/conf/${link}/accept_ra`, "0"),
      podKey("net/ipv6/conf/eth0/disable_ipv6", "0"),
      podKey("net/ipv6/conf/eth0/accept_dad", "0"),
      podKey("net/ipv6/conf/eth0/accept_ra", "0"),
      podKey("net/ipv6/conf/eth0/accept_redirects", "0"),
      { kind: "link", where: "pod", name: "eth0", alias, type },
      { kind: "address", where: "pod", link: "eth0", address: "10.244.1.7/32" },
      { kind: "address", where: "pod", link: "eth0", address: "fd00:10:244:1::7/128" },
      { kind: "route", where: "pod", link: "eth0", dst: "0.0.0.0/0", priority: 0 },
      { kind: "route", where: "pod", link: "eth0", dst: "::/0", priority: 1024 },
      {
        kind: "masquerade",
        where: "host",
        network: "podnet",
        sources: ["10.244.1.7", "fd00:10:244:1::7"],
        direct: ["10.244.1.0/24", "fd00:10:244:1::/64"],
        shortcuts: [link],
        hairpin: { link, sources: ["192.0.2.1", "2001:db8::1"] },
      },
      hostKey("net/ipv4/ip_forward", "1"),
      hostKey("net/ipv6/conf/all/forwarding", "1"),
      hostKey(`net/ipv6/conf/${link}/forwarding`, "1"),
    ]);
  });

  test("in mode l3: the same but for the mode", () => {
    const asL3s = JSON.stringify(ipvlan.wire(inMode("l3s", both)));
    const asL3 = JSON.stringify(ipvlan.wire(inMode("l3", both)));
    expect(asL3).toBe(
      asL3s.replaceAll('"mode":"l3s"', '"mode":"l3"').replaceAll(hostSlave.l3s, hostSlave.l3),
    );
    expect(asL3).not.toBe(asL3s);
  });

  test("in mode l2: the subnet is the pod's segment, and the gateway is the host by the master's MAC", () => {
    const type = { kind: "ipvlan", master: "ens3", mode: "l2", flag: "bridge" };
    const link = hostSlave.l2;
    const mac = "52:54:00:00:01:01";
    expect(ipvlan.wire(inMode("l2", both)).plan).toEqual([
      { kind: "link", where: "host", name: link, shared: true, noAutomaticAddress: true, type },
      { kind: "route", where: "host", link, dst: "10.244.1.7/32", scope: 253, source: "192.0.2.1" },
      { kind: "route", where: "host", link, dst: "10.244.1.7/32", scope: 253, priority: 1 },
      { kind: "route", where: "host", link, dst: "fd00:10:244:1::7/128", source: "2001:db8::1" },
      { kind: "neighbour", where: "host", link, address: "10.244.1.7", mac },
      { kind: "neighbour", where: "host", link, address: "fd00:10:244:1::7", mac },
      { kind: "link", where: "host", name: podLink, alias, type: { ...type, movesToPodAs: "eth0" } },
      hostKey(`net/ipv4/conf/${link}/forwarding`, "1"),
      hostKey(`net/ipv6/conf/${link}/accept_ra`, "0"),
      podKey("net/ipv6/conf/eth0/disable_ipv6", "0"),
      podKey("net/ipv6/conf/eth0/accept_dad", "0"),
      podKey("net/ipv6/conf/eth0/accept_ra", "0"),
      podKey("net/ipv6/conf/eth0/accept_redirects", "0"),
      podKey("net/ipv4/conf/eth0/arp_notify", "1"),
      podKey("net/ipv6/conf/all/accept_dad", "0"),
      podKey("net/ipv6/conf/eth0/ndisc_notify", "1"),
      { kind: "address", where: "pod", link: "eth0", address: "10.244.1.7/24" },
      { kind: "link", where: "pod", name: "eth0", alias, type },
      { kind: "address", where: "pod", link: "eth0", address: "fd00:10:244:1::7/64", announced: true },
      { kind: "neighbour", where: "pod", link: "eth0", address: "169.254.1.1", mac },
      { kind: "neighbour", where: "pod", link: "eth0", address: "fe80::1", mac },
      { kind: "route", where: "pod", link: "eth0", dst: "0.0.0.0/0", gateway: "169.254.1.1", priority: 0 },
      { kind: "route", where: "pod", link: "eth0", dst: "::/0", gateway: "fe80::1", priority: 1024 },
      hostKey("net/ipv4/ip_forward", "1"),
      hostKey("net/ipv6/conf/all/forwarding", "1"),
      hostKey(`net/ipv6/conf/${link}/forwarding`, "1"),
    ]);
  });

  test.each(["l2", "l3", "l3s"] as const)("in mode %s with one family has nothing of the other", (mode) => {
    const onlyIpv4 = JSON.stringify(ipvlan.wire(inMode(mode)));
    // What neither may believe of others.
    expect(onlyIpv4.replaceAll(/net\/ipv6\/[a-z0-9/]+accept_ra/g, "")).not.toMatch(/ipv6|fe80|2001:|fd00/);
    const onlyIpv6 = ipvlan.wire(inMode(mode, { ips: [ipv6], routes: [{ dst: "::/0" }] }));
    expect(JSON.stringify(onlyIpv6)).not.toMatch(/ipv4|169\.254|192\.0\.2|10\.244/);
  });

  test("in mode l2 with IPv4 alone hears no routers, where the kernel has IPv6 and the link is large enough", () => {
    const heardBy = (changes: Parameters<typeof inMode>[1]) =>
      ipvlan
        .wire(inMode("l2", changes))
        .plan.flatMap((object) => (object.kind === "sysctl" && /accept_ra$/.test(object.key) ? object : []));
    expect(heardBy({})).toEqual([
      hostKey(`net/ipv6/conf/${hostSlave.l2}/accept_ra`, "0"),
      podKey("net/ipv6/conf/eth0/accept_ra", "0"),
    ]);
    expect(heardBy({ mtu: 1200 })).toEqual([hostKey(`net/ipv6/conf/${hostSlave.l2}/accept_ra`, "0")]);
  });

  test.each(["l2", "l3", "l3s"] as const)(
    "in mode %s asks a slave of a small master for nothing of IPv6",
    (mode) => {
      const small = settings(mode, { master: { ...master, mtu: 1200 } });
      const { plan } = ipvlan.wire(inMode(mode, { mtu: 1200, ipvlan: small }));
      expect(JSON.stringify(plan)).not.toContain("ipv6");
      const made = plan.filter(({ kind, where }) => kind === "link" && where === "host");
      expect(made).not.toContainEqual(expect.objectContaining({ noAutomaticAddress: true }));
    },
  );

  test.each(["l2", "l3", "l3s"] as const)(
    "in mode %s with an MTU of its own tells the host of it",
    (mode) => {
      const { plan } = ipvlan.wire(inMode(mode, { ...both, mtu: 1400 }));
      const routes = plan.flatMap((object) =>
        object.kind === "route" && object.where === "host" ? object : [],
      );
      expect(routes.map(({ mtu }) => mtu)).toEqual([1400, 1400, 1400]);
    },
  );

  test.each(["private", "vepa"] as const)("with flag %s: nothing of the host's but the way out", (flag) => {
    const { plan } = ipvlan.wire(inMode("l3s", { ...both, ipvlan: settings("l3s", { flag }) }));
    const onHost = plan.filter(({ where }) => where === "host");
    expect(onHost).toEqual([
      {
        kind: "link",
        where: "host",
        name: podLink,
        alias,
        type: { kind: "ipvlan", master: "ens3", mode: "l3s", flag, movesToPodAs: "eth0" },
      },
      hostKey("net/ipv4/ip_forward", "1"),
      hostKey("net/ipv6/conf/all/forwarding", "1"),
    ]);
  });
});

describe("what the runtime is told", () => {
  test.each(["l3", "l3s"] as const)("in mode %s: bare addresses, and routes without a gateway", (mode) => {
    const { interfaces, ips, routes } = ipvlan.wire(inMode(mode, both));
    expect(interfaces).toEqual([
      { name: "eth0", mac: "52:54:00:00:01:01", mtu: 1500, sandbox: "/run/netns/pod1" },
    ]);
    expect(ips).toEqual([
      { address: "10.244.1.7/32", interface: 0 },
      { address: "fd00:10:244:1::7/128", interface: 0 },
    ]);
    expect(routes).toEqual([{ dst: "0.0.0.0/0" }, { dst: "::/0" }]);
  });

  test("in mode l2: addresses with their subnet, and the host as their gateway", () => {
    const { ips, routes } = ipvlan.wire(inMode("l2", both));
    expect(ips).toEqual([
      { address: "10.244.1.7/24", gateway: "169.254.1.1", interface: 0 },
      { address: "fd00:10:244:1::7/64", gateway: "fe80::1", interface: 0 },
    ]);
    expect(routes).toEqual([
      { dst: "0.0.0.0/0", gw: "169.254.1.1" },
      { dst: "::/0", gw: "fe80::1" },
    ]);
  });
});

test("the traces of an attachment are its link, under its name on the host and by its alias once it is in the pod", () => {
  const traces = ipvlan.traces(
    { network: "podnet", containerID: "pod1", ifname: "eth0" },
    { database: "unix:/db.sock", bridge: "br0" },
  );
  expect(traces).toEqual([expect.objectContaining({ kind: "link", where: "host", name: podLink, alias })]);
});
