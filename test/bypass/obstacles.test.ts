// The listings are as nft 1.0.6 prints them.
import { describe, expect, test } from "vitest";
import { parsePrefix } from "../../src/address/ip.ts";
import { podsTraffic, tunnelsTraffic } from "../../src/bypass/concern.ts";
import { nftObstacles } from "../../src/bypass/obstacles.ts";
import { masqueradeObstacles } from "../../src/bypass/own-masquerade.ts";
import type { NftObject, NftSet } from "../../src/linux/nft-listing.ts";

const pods = ["10.244.0.0/16", "fd00:10:244::/48"].flatMap((text) => parsePrefix(text) ?? []);
const excluded = ["10.244.7.0/24"].flatMap((text) => parsePrefix(text) ?? []);
const base = (hook: string, policy = "accept", family = "ip", table = "mine", name = hook): NftObject => ({
  chain: { family, table, name, hook, policy },
});
const rule = (chain: string, ...expr: Record<string, unknown>[]): NftObject => ({
  rule: { family: "ip", table: "mine", chain, handle: 7, expr },
});
const to = (addr: string, len: number) => ({
  match: {
    op: "==",
    left: { payload: { protocol: "ip", field: "daddr" } },
    right: { prefix: { addr, len } },
  },
});
const jump = (target: string) => ({ jump: { target } });
const drop = { drop: null };

const l4proto = (right: unknown) => ({ match: { op: "==", left: { meta: { key: "l4proto" } }, right } });
const state = (right: unknown) => ({ match: { op: "in", left: { ct: { key: "state" } }, right } });
const icmpType = (right: unknown) => ({
  match: { op: "==", left: { payload: { protocol: "icmp", field: "type" } }, right },
});
const toHost = { match: { op: "==", left: { fib: { result: "type", flags: ["daddr"] } }, right: "local" } };
const from = (addr: string, len: number) => ({
  match: {
    op: "==",
    left: { payload: { protocol: "ip", field: "saddr" } },
    right: { prefix: { addr, len } },
  },
});
const notTo = (addr: string, len: number) => {
  const { match } = to(addr, len);
  return { match: { ...match, op: "!=" } };
};
const inet = (chain: string, ...expr: Record<string, unknown>[]): NftObject => ({
  rule: { family: "inet", table: "mine", chain, handle: 7, expr },
});
type NamedRule = [string, ...Record<string, unknown>[]];
const rulesThatKeepErrors: NamedRule[] = [
  ["answers to connections", state(["established", "related"])],
  ["pings", icmpType("echo-request")],
  ["all but ICMP", { match: { ...l4proto("icmp").match, op: "!=" } }],
  ["ICMP to one address", l4proto("icmp"), to("203.0.113.1", 32)],
  ["some errors", icmpType({ set: ["destination-unreachable", "echo-request"] })],
  ["ICMP of IPv6", l4proto("ipv6-icmp")],
];
const rulesThatPassErrors: NamedRule[] = [
  ["all errors", icmpType({ set: ["destination-unreachable", "echo-request", "time-exceeded"] })],
  ["what is not tracked", state(["established", "related", "untracked"])],
  ["a comment of iptables", { xt: { type: "match", name: "comment" } }, l4proto("icmp")],
  ["everything", { counter: {} }],
];

describe("rules by nft", () => {
  test.each<[string, NftObject[], string[]]>([
    ["nothing at all", [], []],
    [
      "a rule that accepts and counts",
      [base("forward"), rule("forward", { counter: {} }, { accept: null })],
      [],
    ],
    [
      "a rule that drops",
      [base("forward"), rule("forward", drop)],
      ["rule 7 of chain ip mine forward (drop)"],
    ],
    ["a policy that drops", [base("forward", "drop")], ["chain ip mine forward drops by default"]],
    [
      "policies that drop before and after",
      [base("prerouting", "drop"), base("postrouting", "drop")],
      ["chain ip mine prerouting drops by default", "chain ip mine postrouting drops by default"],
    ],
    [
      "a connection's zone",
      [base("prerouting"), rule("prerouting", { mangle: { key: { ct: { key: "zone" } }, value: 5 } })],
      ["rule 7 of chain ip mine prerouting (mangle)"],
    ],
    [
      "a connection's zone, by iptables",
      [base("prerouting"), rule("prerouting", { counter: {} }, { xt: { type: "target", name: "CT" } })],
      ["rule 7 of chain ip mine prerouting (CT)"],
    ],
    ["a rule for the host itself", [base("input", "drop"), rule("input", drop)], []],
    ["a rule for another network", [base("forward"), rule("forward", to("172.17.0.0", 16), drop)], []],
    [
      "a rule that marks everybody's packets before it looks whose they are",
      [
        base("forward"),
        rule("forward", { mangle: { key: { meta: { key: "mark" } }, value: 1 } }, to("172.17.0.0", 16), drop),
      ],
      ["rule 7 of chain ip mine forward (mangle)"],
    ],
    [
      "a policy that drops what the node itself sends, such as errors about pods' packets",
      [base("output", "drop"), rule("output", drop)],
      ["chain ip mine output drops by default"],
    ],
    [
      "the same, where ICMP may leave",
      [
        base("output", "drop"),
        rule(
          "output",
          { match: { op: "==", left: { meta: { key: "l4proto" } }, right: "icmp" } },
          { accept: null },
        ),
      ],
      [],
    ],
    ...rulesThatKeepErrors.map(([name, ...expr]): [string, NftObject[], string[]] => [
      `the same, with ${name}`,
      [base("output", "drop"), rule("output", ...expr, { accept: null })],
      ["chain ip mine output drops by default"],
    ]),
    ...rulesThatPassErrors.map(([name, ...expr]): [string, NftObject[], string[]] => [
      `the same, with ${name}`,
      [base("output", "drop"), rule("output", ...expr, { accept: null })],
      [],
    ]),
    [
      "the same of both families, where ICMP of one may leave",
      [base("output", "drop", "inet"), inet("output", l4proto("icmp"), { accept: null })],
      ["chain inet mine output drops by default"],
    ],
    [
      "the same of both families, where ICMP of both may leave",
      [
        base("output", "drop", "inet"),
        inet("output", l4proto({ set: ["icmp", "ipv6-icmp"] }), { accept: null }),
      ],
      [],
    ],
    [
      "masquerading of what leaves the pods",
      [
        base("postrouting"),
        rule("postrouting", from("10.244.0.0", 16), notTo("10.244.0.0", 16), { masquerade: null }),
        rule("postrouting", notTo("10.0.0.0", 8), { masquerade: null }),
      ],
      [],
    ],
    [
      "masquerading of what leaves a node",
      [base("postrouting"), rule("postrouting", notTo("10.244.1.0", 24), { masquerade: null })],
      ["rule 7 of chain ip mine postrouting (masquerade)"],
    ],
    [
      "published ports, by podwire's neighbour portmap",
      [
        base("prerouting"),
        rule("prerouting", jump("CNI-HOSTPORT-DNAT")),
        rule("CNI-HOSTPORT-DNAT", jump("CNI-DN-0123456789abcdef0123")),
        rule("CNI-DN-0123456789abcdef0123", { dnat: { addr: "10.244.1.2", port: 80 } }),
      ],
      [],
    ],
    [
      "translation of what is for the host",
      [base("prerouting"), rule("prerouting", toHost, { dnat: { addr: "10.244.1.2" } })],
      [],
    ],
    [
      "a rule for a pod that is excluded",
      [
        base("forward"),
        rule("forward", to("10.244.7.0", 24), drop),
        rule("forward", to("10.244.7.9", 32), drop),
      ],
      [],
    ],
    [
      "a rule for more than the pods that are excluded",
      [base("forward"), rule("forward", to("10.244.6.0", 23), drop)],
      ["rule 7 of chain ip mine forward (drop)"],
    ],
    [
      "a rule for some pods",
      [base("forward"), rule("forward", to("10.244.9.0", 24), drop)],
      ["rule 7 of chain ip mine forward (drop)"],
    ],
    [
      "a rule for more than pods",
      [base("forward"), rule("forward", to("10.0.0.0", 8), drop)],
      ["rule 7 of chain ip mine forward (drop)"],
    ],
    [
      "a rule behind a jump",
      [base("forward"), rule("forward", jump("mine")), rule("mine", drop)],
      ["rule 7 of chain ip mine mine (drop)"],
    ],
    ["chains in a circle", [base("forward"), rule("forward", jump("a")), rule("a", jump("a"))], []],
    ["a chain that nobody jumps to", [base("forward"), rule("other", drop)], []],
    [
      "kube-proxy's chain",
      [base("forward"), rule("forward", jump("KUBE-FORWARD")), rule("KUBE-FORWARD", drop)],
      [],
    ],
    [
      "a policy's chain",
      [base("forward"), rule("forward", jump("KUBE-NWPLCY-A1")), rule("KUBE-NWPLCY-A1", drop)],
      ["rule 7 of chain ip mine KUBE-NWPLCY-A1 (drop)"],
    ],
    [
      "a mark",
      [base("prerouting"), rule("prerouting", { mangle: { key: { meta: { key: "mark" } }, value: 1 } })],
      ["rule 7 of chain ip mine prerouting (mangle)"],
    ],
    [
      "a target that nft cannot show",
      [base("forward"), rule("forward", { xt: { type: "target", name: "TCPMSS" } })],
      ["rule 7 of chain ip mine forward (TCPMSS)"],
    ],
    [
      "a match that nft cannot show",
      [base("forward"), rule("forward", { xt: { type: "match", name: "comment" } }, { accept: null })],
      [],
    ],
    [
      "a flowtable",
      [base("forward"), rule("forward", { flow: { op: "add", flowtable: "@f" } })],
      ["rule 7 of chain ip mine forward (flow)"],
    ],
    ["podwire's own table", [base("postrouting", "accept", "inet", "podwire")], []],
  ])("%s", (_, objects, expected) => {
    expect(nftObstacles(objects, podsTraffic(pods, excluded))).toEqual(expected);
  });
});

describe("rules about tunnels", () => {
  const ends = ["192.0.2.1/32", "192.0.2.2/32"].flatMap((text) => parsePrefix(text) ?? []);
  const field = (protocol: string, name: string, right: unknown, op = "==") => ({
    match: { op, left: { payload: { protocol, field: name } }, right },
  });
  const protocol = (right: unknown) => ({ match: { op: "==", left: { meta: { key: "l4proto" } }, right } });
  const mark = { mangle: { key: { meta: { key: "mark" } }, value: 1 } };
  const dropped = ["rule 7 of chain ip mine input (drop)"];
  const input = (...expr: Record<string, unknown>[]) => [base("input"), rule("input", ...expr)];

  test.each<[string, NftObject[], string[]]>([
    [
      "a mark for encryption",
      [base("output"), rule("output", field("udp", "dport", 4789), mark)],
      ["rule 7 of chain ip mine output (mangle)"],
    ],
    [
      "a drop of what was not encrypted",
      input(protocol("udp"), { xt: { type: "match", name: "policy" } }, drop),
      dropped,
    ],
    [
      "a policy that drops",
      [base("input", "drop"), base("forward", "drop")],
      ["chain ip mine input drops by default"],
    ],
    ["what is forwarded", [base("forward"), rule("forward", drop)], []],
    ["TCP", input(field("tcp", "dport", 22), drop), []],
    ["TCP but for a port", input(field("tcp", "dport", 22, "!="), drop), []],
    ["a protocol", input(protocol({ set: ["tcp", "icmp"] }), drop), []],
    ["a protocol in the header", input(field("ip", "protocol", "icmp"), drop), []],
    ["some protocols, UDP among them", input(protocol({ set: ["tcp", "udp"] }), drop), dropped],
    ["protocols in a set with a name", input(protocol("@protocols"), drop), dropped],
    ["another port", input(field("udp", "dport", 53), drop), []],
    ["other ports", input(field("th", "dport", { set: [53, { range: [5000, 6000] }] }), drop), []],
    ["a range of ports", input(field("udp", "dport", { range: [4000, 5000] }), drop), dropped],
    ["ports in a set with a name", input(field("udp", "dport", "@ports"), drop), dropped],
    ["all but a port", input(field("udp", "dport", 53, "!="), drop), dropped],
    ["other addresses", input(field("ip", "saddr", { set: ["203.0.113.1", "203.0.113.2"] }), drop), []],
    [
      "a peer among others",
      input(field("ip", "saddr", { set: ["203.0.113.1", "192.0.2.2"] }), drop),
      dropped,
    ],
    [
      "a connection's zone",
      input({ mangle: { key: { ct: { key: "zone" } }, value: 5 } }),
      ["rule 7 of chain ip mine input (mangle)"],
    ],
  ])("%s", (_, objects, expected) => {
    expect(nftObstacles(objects, tunnelsTraffic(ends, [4789]))).toEqual(expected);
  });
});

describe("podwire's own masquerading", () => {
  const direct = (...elem: NonNullable<NftSet["elem"]>): NftSet => ({
    family: "inet",
    table: "podwire",
    name: "direct4-podnet",
    elem,
  });
  test("of a network of one node is in the way of pods of all nodes", () => {
    expect(masqueradeObstacles([direct({ prefix: { addr: "10.244.1.0", len: 24 } })], pods)).toEqual([
      "network podnet masquerades what its pods send to parts of 10.244.0.0/16 (ipMasq)",
    ]);
  });

  test.each<[string, NonNullable<NftSet["elem"]>]>([
    ["one prefix", [{ prefix: { addr: "10.244.0.0", len: 16 } }]],
    [
      "two halves",
      [{ prefix: { addr: "10.244.0.0", len: 17 } }, { prefix: { addr: "10.244.128.0", len: 17 } }],
    ],
    ["a range", [{ range: ["10.0.0.0", "10.255.255.255"] }]],
  ])("is not where pods are reached without it, by %s", (_, elements) => {
    expect(masqueradeObstacles([direct(...elements)], pods)).toEqual([]);
  });

  test("is not where they are peers' pods", () => {
    const peers = { ...direct({ prefix: { addr: "10.244.0.0", len: 16 } }), name: "peers4" };
    expect(masqueradeObstacles([direct({ prefix: { addr: "10.244.1.0", len: 24 } }), peers], pods)).toEqual(
      [],
    );
  });

  test("is none of a network that has no pods among them, nor of one that was judged already", () => {
    expect(masqueradeObstacles([direct({ prefix: { addr: "172.17.0.0", len: 16 } })], pods)).toEqual([]);
    expect(masqueradeObstacles([direct("10.244.1.1")], pods, ["podnet"])).toEqual([]);
    expect(masqueradeObstacles([direct("10.244.1.1")], pods)).toHaveLength(1);
  });

  test("is only what is in podwire's table", () => {
    expect(masqueradeObstacles([{ ...direct(), table: "other" }], pods)).toEqual([]);
  });
});
