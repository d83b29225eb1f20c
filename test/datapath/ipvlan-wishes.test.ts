// How ipvlan's plan follows from what was asked, the master and the host, and what it refuses.
import { describe, expect, test } from "vitest";
import { ipvlan } from "../../src/datapath/ipvlan.ts";
import { type IpvlanMode, ipvlanModes, type PodObject, type PodPlan } from "../../src/plan/plan.ts";
import { thrown } from "../cni/thrown.ts";
import { inMode, master, settings } from "./ipvlan-wiring.ts";
import { ipv4, ipv6 } from "./wiring.ts";

const only = <K extends PodObject["kind"]>(plan: PodPlan, kind: K) =>
  plan.filter((object): object is Extract<PodObject, { kind: K }> => object.kind === kind);
const hostRoutes = (plan: PodPlan) => only(plan, "route").filter(({ where }) => where === "host");
const podRoutes = (plan: PodPlan) => only(plan, "route").filter(({ where }) => where === "pod");
const dualStack = { ips: [ipv4, ipv6], routes: [{ dst: "0.0.0.0/0" }, { dst: "::/0" }] };

describe("the plan follows the master", () => {
  test("for its MTU: a pod's link that has none of its own changes with it", () => {
    const podLink = (mtu: number) => only(ipvlan.wire(inMode("l3s", { mtu })).plan, "link").at(-1);
    expect(podLink(1500)).not.toHaveProperty("mtu");
    expect(podLink(1400)).toMatchObject({ where: "pod", mtu: 1400 });
    expect(ipvlan.wire(inMode("l3s", { mtu: 1400 })).interfaces[0]?.mtu).toBe(1400);
  });

  test("for its addresses: the host speaks to pods by the first of each family, or by one of another link", () => {
    const sources = (addresses: readonly string[]) => {
      const changes = { ...dualStack, ipvlan: settings("l3s", { master: { ...master, addresses } }) };
      return hostRoutes(ipvlan.wire(inMode("l3s", changes)).plan).map(({ source }) => source);
    };
    expect(sources(master.addresses)).toEqual(["192.0.2.1", undefined, "2001:db8::1"]);
    expect(sources(["2001:db8::1"])).toEqual([undefined, "2001:db8::1"]);
    expect(sources([])).toEqual([undefined, undefined]);
  });

  test("in l2 for its addresses in the pod's subnet: nobody but the host would answer for them", () => {
    const addresses = ["10.244.1.1", "192.0.2.1", "fd00:10:244:1::1"];
    const changes = { ...dualStack, ipvlan: settings("l2", { master: { ...master, addresses } }) };
    const { plan, routes } = ipvlan.wire(inMode("l2", changes));
    const own = [
      { dst: "10.244.1.1/32", gw: "169.254.1.1" },
      { dst: "fd00:10:244:1::1/128", gw: "fe80::1" },
    ];
    expect(routes.slice(2)).toEqual(own);
    expect(podRoutes(plan).map(({ dst, gateway }) => ({ dst, gw: gateway }))).toEqual(routes);
  });

  test("for its name: each has a slave of the host's own, and so has each mode and flag", () => {
    const names = ["ens3", "ens4"].flatMap((name) =>
      ipvlanModes.map((mode) => {
        const changes = { ipvlan: settings(mode, { master: { ...master, name } }) };
        return only(ipvlan.wire(inMode(mode, changes)).plan, "link")[0]?.name;
      }),
    );
    expect(new Set(names).size).toBe(6);
    for (const name of names) expect(name).toMatch(/^pwi[23s]b[0-9a-f]{8}$/);
  });
});

describe("the plan follows the host", () => {
  test("where new links start without IPv6: it is turned on before the slave has a route or an address", () => {
    const host = { ipv6: true, ipv6OffByDefault: true, advertisedLinks: [] };
    const { plan } = ipvlan.wire(inMode("l2", { ...dualStack, host }));
    const [slave, setting] = plan;
    expect(setting).toEqual({
      kind: "sysctl",
      where: "host",
      key: `net/ipv6/conf/${slave?.kind === "link" ? slave.name : ""}/disable_ipv6`,
      value: "0",
    });
    expect(JSON.stringify(ipvlan.wire(inMode("l2", { host })).plan)).not.toContain("disable_ipv6");
  });

  test("without IPv6 in the kernel: nothing of it is touched", () => {
    const host = { ipv6: false, ipv6OffByDefault: true, advertisedLinks: [] };
    expect(JSON.stringify(ipvlan.wire(inMode("l2", { host })).plan)).not.toMatch(/ipv6|fe80/);
  });
});

describe("the plan follows what was asked", () => {
  test("for several addresses of one subnet: host routes for each, one gateway", () => {
    const { plan } = ipvlan.wire(inMode("l2", { ips: [ipv4, { address: "10.244.1.8/24" }], routes: [] }));
    expect(new Set(hostRoutes(plan).map(({ dst }) => dst))).toEqual(
      new Set(["10.244.1.7/32", "10.244.1.8/32"]),
    );
    expect(only(plan, "neighbour").map(({ where, address }) => [where, address])).toEqual([
      ["host", "10.244.1.7"],
      ["host", "10.244.1.8"],
      ["pod", "169.254.1.1"],
    ]);
  });

  test.each(["l3", "l3s"] as const)("in mode %s for a network without routes: one to its subnet", (mode) => {
    expect(podRoutes(ipvlan.wire(inMode(mode, { routes: [] })).plan)).toEqual([
      { kind: "route", where: "pod", link: "eth0", dst: "10.244.1.0/24", priority: 0 },
    ]);
  });

  test("in mode l2 for a network without routes: none, its subnet comes with the address", () => {
    expect(podRoutes(ipvlan.wire(inMode("l2", { routes: [] })).plan)).toEqual([]);
  });

  test("in mode l2 for a route to a router of the segment, and one onto the segment", () => {
    const routes = [
      { dst: "203.0.113.0/24", gw: "10.244.1.254", mtu: 1400 },
      { dst: "198.51.100.0/24", scope: 253 },
      { dst: "0.0.0.0/0" },
    ];
    expect(ipvlan.wire(inMode("l2", { routes })).routes).toEqual([
      { dst: "203.0.113.0/24", gw: "10.244.1.254", mtu: 1400 },
      { dst: "198.51.100.0/24", scope: 253 },
      { dst: "0.0.0.0/0", gw: "169.254.1.1" },
    ]);
  });

  test("for the master's own MAC, in any case of its letters", () => {
    const { interfaces } = ipvlan.wire(inMode("l3s", { mac: "52:54:00:00:01:01".toUpperCase() }));
    expect(interfaces[0]?.mac).toBe("52:54:00:00:01:01");
  });

  test("for a second interface, whose routes come after the first's", () => {
    const second = ipvlan.wire(inMode("l3s", { network: "storage", ifname: "net1" }));
    expect(only(second.plan, "link").map(({ name }) => name)).toEqual([
      "pwisb914a7c60",
      "pw4adb2c6d43a68",
      "net1",
    ]);
    expect(podRoutes(second.plan).map(({ link, priority }) => [link, priority])).toEqual([["net1", 101]]);
  });
});

describe("a wish is refused", () => {
  test.each(ipvlanModes)("with code 2 for a MAC of the pod's own in mode %s", (mode) => {
    const { code, details } = thrown(() => ipvlan.wire(inMode(mode, { mac: "0a:58:0a:f4:01:07" })));
    expect(code).toBe(2);
    for (const value of ["0a:58:0a:f4:01:07", "ens3", "52:54:00:00:01:01"]) expect(details).toContain(value);
  });

  const gatewayOfNobody = { routes: [{ dst: "0.0.0.0/0", gw: "10.244.9.254" }] };
  test.each<[string, IpvlanMode, Parameters<typeof inMode>[1], string]>([
    ["an MTU beyond the master's", "l3s", { mtu: 1501 }, "mtu 1501 is more than the 1500"],
    ["an MTU too small for IPv6", "l2", { ...dualStack, mtu: 1279 }, "mtu 1279"],
    ["a gateway of nobody in l3s", "l3s", gatewayOfNobody, '"10.244.9.254"'],
    ["a gateway off the segment in l2", "l2", gatewayOfNobody, '"10.244.9.254", which is in no subnet'],
    ["a gateway that is no address", "l2", { routes: [{ dst: "0.0.0.0/0", gw: "x" }] }, '"x"'],
    ["a route of a family without an address", "l2", { routes: [{ dst: "::/0" }] }, "route ::/0"],
    ["a route to no network", "l3", { routes: [{ dst: "default" }] }, '"default"'],
  ])("with code 7 and its value for %s", (_, mode, changes, value) => {
    const { code, details } = thrown(() => ipvlan.wire(inMode(mode, changes)));
    expect([code, details]).toEqual([7, expect.stringContaining(value)]);
  });
});
