import { describe, expect, test } from "vitest";
import type { Route } from "../../src/cni/result.ts";
import { defaultPriority, routesThrough } from "../../src/datapath/routing.ts";
import { thrown } from "../cni/thrown.ts";
import { ipv4, ipv6, wiring } from "./wiring.ts";

const gateways = { 4: "169.254.1.1", 6: "fe80::1" };
const both = { ips: [ipv4, ipv6] };
const through = (routes: Route[], changes = {}) => routesThrough(gateways, wiring({ routes, ...changes }));

describe("a pod's routes", () => {
  test("go through the datapath's gateway, whichever the IPAM named for the subnet", () => {
    for (const gw of [undefined, "10.244.1.1", "169.254.1.1"]) {
      expect(through([{ dst: "0.0.0.0/0", ...(gw && { gw }) }])).toEqual([
        { dst: "0.0.0.0/0", gw: "169.254.1.1" },
      ]);
    }
    for (const gw of ["fd00:10:244:1::1", "FD00:10:244:1:0:0:0:1", "fe80::1"]) {
      expect(through([{ dst: "::/0", gw }], { ips: [ipv6] })).toEqual([{ dst: "::/0", gw: "fe80::1" }]);
    }
  });

  test("get the subnets that no route covers, one each", () => {
    const more = { address: "10.244.1.8/24" };
    expect(through([], { ips: [ipv4, more, ipv6] })).toEqual([
      { dst: "10.244.1.0/24", gw: "169.254.1.1" },
      { dst: "fd00:10:244:1::/64", gw: "fe80::1" },
    ]);
    expect(through([{ dst: "0.0.0.0/0" }], both)).toEqual([
      { dst: "0.0.0.0/0", gw: "169.254.1.1" },
      { dst: "fd00:10:244:1::/64", gw: "fe80::1" },
    ]);
    expect(through([{ dst: "10.244.1.0/25" }]).map(({ dst }) => dst)).toEqual([
      "10.244.1.0/25",
      "10.244.1.0/24",
    ]);
    expect(through([{ dst: "10.244.0.0/16" }]).map(({ dst }) => dst)).toEqual(["10.244.0.0/16"]);
  });

  test("begin at the network's address, in canonical form", () => {
    expect(through([{ dst: "10.9.8.7/16" }, { dst: "FD00:0:0::9/32" }], both).slice(0, 2)).toEqual([
      { dst: "10.9.0.0/16", gw: "169.254.1.1" },
      { dst: "fd00::/32", gw: "fe80::1" },
    ]);
  });

  test("keep their attributes, but for those that are 0", () => {
    const attributes = { mtu: 1400, advmss: 1360, priority: 5, table: 7 };
    expect(through([{ dst: "0.0.0.0/0", ...attributes }])).toEqual([
      { dst: "0.0.0.0/0", gw: "169.254.1.1", ...attributes },
    ]);
    const zero = { mtu: 0, advmss: 0, priority: 0, table: 0, scope: 0 };
    expect(through([{ dst: "0.0.0.0/0", ...zero }])).toEqual([{ dst: "0.0.0.0/0", gw: "169.254.1.1" }]);
  });

  test.each([253, 254])("of scope %d have no gateway in IPv4, and no scope in IPv6", (scope) => {
    expect(
      through(
        [
          { dst: "192.0.2.0/24", scope },
          { dst: "2001:db8::/32", scope },
        ],
        both,
      ).slice(0, 2),
    ).toEqual([
      { dst: "192.0.2.0/24", scope },
      { dst: "2001:db8::/32", gw: "fe80::1" },
    ]);
  });

  test("of wider scopes have one", () => {
    expect(through([{ dst: "192.0.2.0/24", scope: 200 }])[0]).toEqual({
      dst: "192.0.2.0/24",
      scope: 200,
      gw: "169.254.1.1",
    });
  });

  test("to one destination are made once, the first as asked, unless table or metric tell them apart", () => {
    const routes = [
      { dst: "192.0.2.0/24", mtu: 1400 },
      { dst: "192.0.2.9/24", mtu: 1300 },
      { dst: "192.0.2.0/24", table: 7 },
      { dst: "192.0.2.0/24", priority: 9 },
      { dst: "0.0.0.0/0" },
    ];
    expect(through(routes).map(({ dst, mtu, table, priority }) => [dst, mtu, table, priority])).toEqual([
      ["192.0.2.0/24", 1400, undefined, undefined],
      ["192.0.2.0/24", undefined, 7, undefined],
      ["192.0.2.0/24", undefined, undefined, 9],
      ["0.0.0.0/0", undefined, undefined, undefined],
    ]);
  });

  test.each([
    [{ dst: "nowhere" }, '"nowhere"'],
    [{ dst: "::/0" }, "IPv6"],
    [{ dst: "0.0.0.0/0", gw: "10.244.1.9" }, '"10.244.1.9"'],
    [{ dst: "0.0.0.0/0", gw: "nonsense" }, '"nonsense"'],
    [{ dst: "0.0.0.0/0", mtu: 4294967295 }, "4294967295"],
  ])("are refused for %j with code 7, naming route and value", (route, value) => {
    const { code, details } = thrown(() => through([route]));
    expect([code, details]).toEqual([7, expect.stringContaining(value)]);
    expect(details).toContain(route.dst);
  });
});

describe("where two interfaces lead to one destination", () => {
  test.each([
    ["eth0", "0.0.0.0/0", 0],
    ["eth1", "0.0.0.0/0", 1],
    ["eth99", "0.0.0.0/0", 99],
    ["net0", "0.0.0.0/0", 100],
    ["net12", "10.0.0.0/8", 112],
    ["eth0", "::/0", 1024],
    ["net2", "fd00::/8", 1126],
  ])("%s has for %s the priority %d", (link, dst, priority) => {
    expect(defaultPriority(link, dst)).toBe(priority);
  });

  const others = ["wan", "eth", "eth100", "ETH0", "eth0.7", "xeth0", "net1x", "ens3", "storage", "a@b"];

  test("names of any other kind come last, each with a priority of its own that stays the same", () => {
    const priorities = others.map((link) => defaultPriority(link, "0.0.0.0/0"));
    expect(new Set(priorities).size).toBe(others.length);
    expect(priorities.filter((priority) => priority < 1000 || priority >= 61_000)).toEqual([]);
    expect(others.map((link) => defaultPriority(link, "10.0.0.0/8"))).toEqual(priorities);
  });

  test.each(others)("%s has for IPv6 1024 more, as the kernel has by default", (link) => {
    expect(defaultPriority(link, "::/0")).toBe(defaultPriority(link, "0.0.0.0/0") + 1024);
  });
});
