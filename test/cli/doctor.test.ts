// What doctor makes of other programs' words, without running them.
import { describe, expect, test } from "vitest";
import { formatPrefix, parsePrefix } from "../../src/address/ip.ts";
import { droppingChains } from "../../src/cli/doctor/dropping-chains.ts";
import { dropsByLegacy } from "../../src/cli/doctor/firewall.ts";
import type { Node } from "../../src/cli/doctor/node.ts";
import { meansLink, passagesOf } from "../../src/cli/doctor/passages.ts";
import { isAtLeastVersion, isIproute2Enough } from "../../src/cli/doctor/programs.ts";
import { hostVlanName } from "../../src/datapath/names.ts";
import { veth } from "../../src/datapath/veth.ts";
import type { NftObject } from "../../src/linux/nft-listing.ts";
import { call } from "../attachment/call.ts";
import { wiring } from "../datapath/wiring.ts";

describe("versions", () => {
  test.each([
    ["0.9.6", true],
    ["1.0.6", true],
    ["0.10.0", true],
    ["0.9.5", false],
    ["0.9", false],
    ["1", true],
  ])("nftables %s is enough for 0.9.6: %s", (version, isEnough) => {
    expect(isAtLeastVersion(version, "0.9.6")).toBe(isEnough);
  });

  test("a kernel's suffix does not count", () => {
    expect(isAtLeastVersion("5.2-rc1-cloud", "5.2")).toBe(true);
    expect(isAtLeastVersion("4.19.0-27-amd64", "5.2")).toBe(false);
  });

  test.each([
    ["ip utility, iproute2-6.1.0, libbpf 1.1.2", true],
    ["ip utility, iproute2-5.7.0", true],
    ["ip utility, iproute2-ss190319", true],
    ["ip utility, iproute2-ss180813", true],
    ["ip utility, iproute2-ss180129", false],
    ["BusyBox v1.36.1 multi-call binary.", false],
    ["", false],
  ])("%j is an iproute2 that podwire can use: %s", (text, isEnough) => {
    expect(isIproute2Enough(text)).toBe(isEnough);
  });
});

const pods = ["10.244.1.0/24"].map((text) => parsePrefix(text)).filter((prefix) => prefix !== undefined);
const forwarded = { hook: "forward", links: ["pw*"], pods } as const;
const chain = (name: string, more: object = {}): NftObject => ({
  chain: { family: "ip", table: "filter", name, ...more },
});
const forward = chain("FORWARD", { hook: "forward", policy: "drop" });
const rule = (name: string, ...expr: Record<string, unknown>[]): NftObject => ({
  rule: {
    family: "ip",
    table: "filter",
    chain: name,
    expr: [{ counter: { packets: 0, bytes: 0 } }, ...expr],
  },
});
const meta = (key: string, right: string) => ({ match: { op: "==", left: { meta: { key } }, right } });
const source = (right: unknown) => ({
  match: { op: "==", left: { payload: { protocol: "ip", field: "saddr" } }, right },
});
const accept = { accept: null };

describe("a chain of forwarded packets", () => {
  const blocked = ["ip filter FORWARD"];

  test("that drops by policy blocks pods", () => {
    expect(droppingChains([forward], forwarded)).toEqual(blocked);
  });

  test("that accepts by policy does not", () => {
    expect(droppingChains([chain("FORWARD", { hook: "forward", policy: "accept" })], forwarded)).toEqual([]);
  });

  test("that rejects all that is left blocks pods, as firewalld's", () => {
    const open = chain("FORWARD", { hook: "forward", policy: "accept" });
    expect(droppingChains([open, rule("FORWARD", { reject: { type: "icmpx" } })], forwarded)).toEqual(
      blocked,
    );
    const conditional = rule("FORWARD", meta("iifname", "eth9"), { drop: null });
    expect(droppingChains([open, conditional], forwarded)).toEqual([]);
  });

  test("of another hook or of the other family does not matter", () => {
    expect(droppingChains([chain("INPUT", { hook: "input", policy: "drop" })], forwarded)).toEqual([]);
    const ipv6 = { chain: { family: "ip6", table: "t", name: "c", hook: "forward", policy: "drop" } };
    expect(droppingChains([ipv6], forwarded)).toEqual([]);
    expect(droppingChains([ipv6], { ...forwarded, pods: [] })).toEqual(["ip6 t c"]);
  });

  test.each([
    ["accepts everything", [accept]],
    ["accepts podwire's links", [meta("iifname", "pw*"), accept]],
    ["accepts the pods' network", [source({ prefix: { addr: "10.244.0.0", len: 16 } }), accept]],
    [
      "accepts a set with it",
      [source({ set: [{ prefix: { addr: "10.244.0.0", len: 16 } }, "192.0.2.1"] }), accept],
    ],
  ])("that %s lets pods through", (_what, expr) => {
    expect(droppingChains([forward, rule("FORWARD", ...expr)], forwarded)).toEqual([]);
  });

  test.each([
    ["another bridge", [meta("oifname", "docker0"), accept]],
    ["answers", [{ match: { op: "in", left: { ct: { key: "state" } }, right: ["established"] } }, accept]],
    ["what iptables alone understands", [{ xt: { type: "match", name: "comment" } }, accept]],
    ["another network", [source({ prefix: { addr: "10.245.0.0", len: 16 } }), accept]],
    ["all but pods", [{ match: { ...source("10.244.1.0/24").match, op: "!=" } }, accept]],
  ])("that accepts only %s blocks pods", (_what, expr) => {
    expect(droppingChains([forward, rule("FORWARD", ...expr)], forwarded)).toEqual(blocked);
  });

  test("is followed through its jumps, in circles too", () => {
    const jumps = [
      rule("FORWARD", { jump: { target: "A" } }),
      rule("A", { goto: { target: "B" } }),
      rule("B", { jump: { target: "A" } }),
    ];
    expect(droppingChains([forward, ...jumps], forwarded)).toEqual(blocked);
    expect(droppingChains([forward, ...jumps, rule("B", meta("iifname", "pw*"), accept)], forwarded)).toEqual(
      [],
    );
  });
});

describe("iptables-legacy", () => {
  test("drops by policy unless a rule accepts pods", () => {
    expect(dropsByLegacy("-P FORWARD DROP\n-A FORWARD -o docker0 -j ACCEPT\n", forwarded)).toBe(true);
    expect(dropsByLegacy("-P FORWARD DROP\n-A FORWARD -i pw+ -j ACCEPT\n", forwarded)).toBe(false);
    expect(dropsByLegacy("-P FORWARD DROP\n-A FORWARD -s 10.244.0.0/16 -j ACCEPT\n", forwarded)).toBe(false);
    expect(dropsByLegacy("-P FORWARD DROP\n-A FORWARD -s 10.245.0.0/16 -j ACCEPT\n", forwarded)).toBe(true);
    expect(dropsByLegacy("-P FORWARD ACCEPT\n", forwarded)).toBe(false);
  });
});

describe("a firewall meets", () => {
  const passages = (...configs: Record<string, unknown>[]) => {
    const networks = configs.map((config) => call({ config }).config);
    return passagesOf({ networks, attachments: [] } as Partial<Node> as Node).map(
      ({ hook, links, pods }) => ({
        hook,
        by: links.length > 0 ? links : pods.map(formatPrefix),
      }),
    );
  };
  const ipam = { type: "host-local", subnet: "10.244.1.0/24" };

  test.each([
    ["veth pods by their pairs", { datapath: "veth" }, "forward", ["pw*"]],
    ["Open vSwitch's by the bridge", { datapath: "ovs", ovs: { bridge: "br7" } }, "forward", ["br7"]],
    [
      "those of a VLAN by its link",
      { datapath: "ovs", ovs: { vlan: 7 } },
      "forward",
      [hostVlanName("podwire0", 7)],
    ],
    [
      "ipvlan l2's by their addresses",
      { datapath: "ipvlan", ipvlan: { mode: "l2" } },
      "forward",
      ["10.244.1.0/24"],
    ],
    ["what l3s pods receive", { datapath: "ipvlan" }, "input", ["10.244.1.0/24"]],
  ])("%s", (_what, config, hook, by) => {
    expect(passages({ ...config, ipam })).toEqual([{ hook, by }]);
  });

  test("l3 pods nowhere", () => {
    expect(passages({ datapath: "ipvlan", ipvlan: { mode: "l3" }, ipam })).toEqual([]);
  });

  test("each kind of a node's pods", () => {
    const found = passages({ datapath: "ipvlan", ipam }, { ipam }, { datapath: "ovs", ipam });
    expect(found).toEqual([
      { hook: "input", by: ["10.244.1.0/24"] },
      { hook: "forward", by: ["pw*"] },
      { hook: "forward", by: ["podwire0"] },
    ]);
  });

  test("pods whose addresses another IPAM gives, too", () => {
    expect(passages({ datapath: "ipvlan", ipam: { type: "dhcp" } })).toEqual([{ hook: "input", by: [] }]);
  });

  test("pods that were wired when the network had another datapath", () => {
    const { config } = call({ config: { datapath: "ipvlan", ipam } });
    const { plan } = veth.wire(wiring());
    const record = { datapath: "veth", plan, ips: [{ address: "10.244.1.7/32" }] };
    const node = { networks: [config], attachments: [{ record, condition: "wired" }] };
    const found = passagesOf(node as unknown as Node);
    expect(found.map(({ hook, links }) => [hook, ...links])).toEqual([["input"], ["forward", "pw*"]]);
  });

  test("by rules that name one of several links, or several at once", () => {
    expect(meansLink("pw73862bcce73ee", ["pw*"])).toBe(true);
    expect(meansLink("podwire*", ["podwire0"])).toBe(true);
    expect(meansLink("pw*", ["podwire0"])).toBe(false);
    expect(meansLink("podwire01", ["podwire0"])).toBe(false);
  });
});
