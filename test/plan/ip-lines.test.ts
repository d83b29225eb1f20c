// Every kind of object as the lines that iproute2 gets.
import { describe, expect, test } from "vitest";
import { isIpObject, makingLines, removingLines } from "../../src/plan/ip-lines.ts";
import type { Link, Route, VethEnd } from "../../src/plan/plan.ts";

const pair: VethEnd = {
  kind: "veth",
  makesPair: true,
  peer: { where: "pod", name: "eth0", mac: "0a:58:0a:f4:01:07", mtu: 1450 },
};
const hostEnd: Link = {
  kind: "link",
  where: "host",
  name: "pw0123456789abc",
  mac: "ee:70:77:00:00:01",
  mtu: 1450,
  alias: "podwire:podnet/pod1/eth0",
  type: pair,
};
const podEnd: Link = {
  kind: "link",
  where: "pod",
  name: "eth0",
  type: { ...pair, makesPair: false },
};
const route = (attributes: Partial<Route>): Route => ({
  kind: "route",
  where: "pod",
  link: "eth0",
  dst: "192.0.2.0/24",
  ...attributes,
});

describe("what is made", () => {
  test("a pair, with its other end in the pod's netns from the start", () => {
    expect(makingLines(hostEnd)).toEqual([
      "link add pw0123456789abc mtu 1450 address ee:70:77:00:00:01 type veth " +
        "peer name eth0 mtu 1450 address 0a:58:0a:f4:01:07 netns /proc/self/fd/3",
      "link set dev pw0123456789abc alias podwire:podnet/pod1/eth0 up",
    ]);
  });

  test("no address of the kernel's own making, said before the link is up", () => {
    expect(makingLines({ ...hostEnd, noAutomaticAddress: true }).slice(1)).toEqual([
      "link set dev pw0123456789abc addrgenmode none",
      "link set dev pw0123456789abc alias podwire:podnet/pod1/eth0 up",
    ]);
  });

  test("the other end, which is there already", () => {
    expect(makingLines(podEnd)).toEqual(["link set dev eth0 up"]);
  });

  test.each([
    [{ address: "10.244.1.7/32" }, "address add 10.244.1.7/32 dev eth0"],
    [{ address: "169.254.1.1/32", scope: "host" as const }, "address add 169.254.1.1/32 dev eth0 scope host"],
    [{ address: "fd00::7/128" }, "address add fd00::7/128 dev eth0 nodad"],
  ])("an address: %j", (attributes, line) => {
    expect(makingLines({ kind: "address", where: "pod", link: "eth0", ...attributes })).toEqual([line]);
  });

  test.each([
    [{}, "route add 192.0.2.0/24 dev eth0 proto 119"],
    [{ gateway: "169.254.1.1" }, "route add 192.0.2.0/24 via 169.254.1.1 dev eth0 proto 119 onlink"],
    [{ dst: "::/0", gateway: "fe80::1" }, "route add ::/0 via fe80::1 dev eth0 proto 119 onlink"],
    [{ scope: 253 }, "route add 192.0.2.0/24 dev eth0 proto 119 scope 253"],
    [{ priority: 0 }, "route add 192.0.2.0/24 dev eth0 proto 119 metric 0"],
    [{ dst: "2001:db8::/64", mtu: 1400 }, "route add 2001:db8::/64 dev eth0 proto 119 mtu 1400"],
    [
      { dst: "2001:db8::/64", mtu: 1400, mtuLocked: true as const },
      "route add 2001:db8::/64 dev eth0 proto 119 mtu lock 1400",
    ],
    [
      { gateway: "169.254.1.1", scope: 0, table: 100, priority: 5, mtu: 1400, advmss: 1360 },
      "route add 192.0.2.0/24 via 169.254.1.1 dev eth0 proto 119 onlink " +
        "scope 0 table 100 metric 5 mtu 1400 advmss 1360",
    ],
  ])("a route: %j", (attributes, line) => {
    expect(makingLines(route(attributes))).toEqual([line]);
  });

  test.each([
    ["192.0.2.1", "192.0.2.2", "encap ip id 7 src 192.0.2.1 dst 192.0.2.2 tos 0xb8 ttl 9"],
    ["2001:db8::1", "2001:db8::2", "encap ip6 id 7 src 2001:db8::1 dst 2001:db8::2 tc 0xb8 hoplimit 9"],
  ])("a tunnel's tos in hexadecimal, as which iproute2 reads it: from %s", (local, remote, words) => {
    const encap = { id: 7, local, remote, checksum: false, tos: 184, ttl: 9 };
    expect(makingLines(route({ encap })).join()).toContain(words);
  });

  test("a neighbour, for ever, also over one that the kernel has learnt", () => {
    const mac = "ee:70:77:00:00:01";
    expect(makingLines({ kind: "neighbour", where: "pod", link: "eth0", address: "fe80::1", mac })).toEqual([
      "neighbour replace fe80::1 lladdr ee:70:77:00:00:01 dev eth0 nud permanent",
    ]);
  });
});

test("only the end that makes a pair is removed: the rest goes with it", () => {
  expect(removingLines(hostEnd)).toEqual(["link delete dev pw0123456789abc"]);
  expect(removingLines(podEnd)).toEqual([]);
  expect(removingLines(route({}))).toEqual([]);
  expect(
    removingLines({ kind: "address", where: "host", link: "pw0123456789abc", address: "fe80::1/64" }),
  ).toEqual([]);
});

test("settings and masquerading are not iproute2's", () => {
  expect(isIpObject(route({}))).toBe(true);
  expect(isIpObject({ kind: "sysctl", where: "host", key: "net/ipv4/ip_forward", value: "1" })).toBe(false);
  expect(isIpObject({ kind: "masquerade", where: "host", network: "podnet", sources: [], direct: [] })).toBe(
    false,
  );
});
