// The check of a list of peers: each mistake is refused with its peer's name and its place.
import { describe, expect, test } from "vitest";
import { formatPrefix, parsePrefix } from "../../src/address/ip.ts";
import type { PeerConfig } from "../../src/config/overlay.ts";
import { onlyIpv4, prefixesOfIpv6 } from "../../src/overlay/ipv4-only.ts";
import { checkPeers } from "../../src/overlay/peers.ts";
import { n2, n3 } from "./request.ts";

const self = { node: "n1", address: "192.0.2.1", podCIDRs: ["10.244.1.0/24"] };
const own = [parsePrefix("10.244.1.0/24") ?? fail()];

function check(peers: readonly PeerConfig[]) {
  const entries = peers.map((config, index) => ({ config, place: `peers.${index}` }));
  return checkPeers(entries, own, new Set(["192.0.2.1", "2001:db8::1"]));
}

function fail(): never {
  throw new Error("no prefix");
}

test("of a list nothing but IPv4 is left where the kernel has nothing else", () => {
  const dual = { ...n2, address6: "2001:db8::2", podCIDRs: ["10.244.2.0/24", "fd00:10:244:2::/64"] };
  const all = check([dual, { ...n3, podCIDRs: ["fd00:10:244:3::/64"] }]);
  const left = onlyIpv4(all);
  expect(prefixesOfIpv6(all)).toBe(2);
  expect(prefixesOfIpv6(left)).toBe(0);
  expect(left.peers.map(({ node, prefixes }) => [node, ...prefixes.map(({ text }) => text)])).toEqual([
    ["n2", "10.244.2.0/24"],
    ["n3"],
  ]);
  expect(left.peers[0]).not.toHaveProperty("address6");
});

describe("a list of peers", () => {
  test("may serve all nodes: this node's own entry is left out, and tells its prefixes", () => {
    const list = [{ ...self, podCIDRs: ["10.244.1.0/24", "fd00:10:244:1::/64"] }, n2];
    const { peers, own: found } = check(list);
    expect(peers.map(({ node }) => node)).toEqual(["n2"]);
    expect(found.map(formatPrefix)).toEqual(["10.244.1.0/24", "fd00:10:244:1::/64"]);
  });

  test("is brought into the usual form", () => {
    const [peer] = check([{ ...n2, address: "2001:DB8:0::2", podCIDRs: ["10.244.2.7/24"] }]).peers;
    expect(peer).toMatchObject({ addressText: "2001:db8::2", prefixes: [{ text: "10.244.2.0/24" }] });
  });

  test.each([
    [
      "this node's own prefix",
      [n2, { ...n3, podCIDRs: ["10.244.1.0/24"] }],
      ["n3", "peers.1", "this node's own pods"],
    ],
    [
      "a part of it",
      [{ ...n2, podCIDRs: ["10.244.1.128/25"] }],
      ["n2", "10.244.1.128/25", "this node's own pods"],
    ],
    [
      "a prefix around it",
      [{ ...n2, podCIDRs: ["10.244.0.0/16"] }],
      ["n2", "10.244.0.0/16", "this node's own pods"],
    ],
    [
      "another peer's prefix",
      [n2, { ...n3, podCIDRs: ["10.244.2.0/24"] }],
      ["n2", "n3", "peers.0", "peers.1"],
    ],
    ["what pods' own gateway is from", [{ ...n2, podCIDRs: ["169.254.0.0/16"] }], ["n2", "of one link only"]],
    ["groups", [{ ...n2, podCIDRs: ["ff05::/64"] }], ["n2", "ff05::/64", "addresses of groups"]],
    ["a part of another's", [n2, { ...n3, podCIDRs: ["10.244.2.64/26"] }], ["n2", "n3"]],
    ["the address of a peer", [n2, { ...n3, podCIDRs: ["192.0.2.2/31"] }], ["n3", "the address of peer n2"]],
    [
      "the address of this node",
      [{ ...n2, podCIDRs: ["192.0.2.0/30"] }],
      ["n2", "192.0.2.1, an address of this node"],
    ],
    ["everything", [{ ...n2, podCIDRs: ["0.0.0.0/0"] }], ["n2", "0.0.0.0/0"]],
    [
      "an IPv6 address that is another peer's",
      [
        { ...n2, address6: "2001:db8::2" },
        { ...n3, address6: "2001:DB8::2" },
      ],
      ["peers.1.address6", "2001:db8::2", "peer n3", "peer n2"],
    ],
    [
      "this node twice",
      [self, { ...self, node: "again", podCIDRs: ["10.244.9.0/24"] }],
      ["peers.1.address", "192.0.2.1", "peer again", "peer n1"],
    ],
    [
      "an IPv6 address that is this node's",
      [{ ...n2, address6: "2001:db8::1" }],
      ["peers.0.address6", "peer n2", "this node"],
    ],
    [
      "an IPv6 address of one link only",
      [{ ...n2, address6: "fe80::2" }],
      ["address6", "fe80::2", "peer n2"],
    ],
    [
      "the IPv6 address of a peer",
      [
        { ...n2, address6: "2001:db8::2" },
        { ...n3, podCIDRs: ["2001:db8::2/127"] },
      ],
      ["n3", "2001:db8::2, the address of peer n2"],
    ],
    ["an address twice", [n2, { ...n3, address: n2.address }], ["192.0.2.2", "peer n3", "peer n2"]],
  ])("with %s is refused", (_, peers, words) => {
    let details = "";
    expect(() => {
      try {
        check(peers);
      } catch (error) {
        ({ details } = error as { details: string });
        throw error;
      }
    }).toThrow(expect.objectContaining({ code: 7 }));
    for (const word of words) expect(details).toContain(word);
  });

  test("finds every overlap that comparing all with all finds", () => {
    const random = (limit: number) => Math.floor(Math.random() * limit);
    for (let round = 0; round < 300; round++) {
      const lengths = Array.from({ length: 6 }, () => 20 + random(9));
      const peers = lengths.map((length, index) => {
        const prefix = parsePrefix(`10.${240 + random(2)}.${random(256)}.${random(256)}/${length}`) ?? fail();
        return { node: `n${index}`, address: `198.51.100.${index}`, podCIDRs: [formatPrefix(prefix)] };
      });
      const ranges = [...peers.flatMap(({ podCIDRs }) => podCIDRs), "10.244.1.0/24"].map(rangeOf);
      const overlapping = ranges.some(([first, last], index) =>
        ranges.some((other, place) => place > index && first <= other[1] && other[0] <= last),
      );
      if (overlapping) expect(() => check(peers), JSON.stringify(peers)).toThrow();
      else expect(() => check(peers), JSON.stringify(peers)).not.toThrow();
    }
  });
});

function rangeOf(text: string): [number, number] {
  const [address = "", length] = text.split("/");
  const value = address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
  const size = 2 ** (32 - Number(length));
  const first = Math.floor(value / size) * size;
  return [first, first + size - 1];
}
