// Bridges as `ip -json -details link show type bridge up` of iproute2 6.1 prints them, as far as it matters.
import { expect, test } from "vitest";
import { type BridgeLink, filteredBridges } from "../../src/bypass/bridge-filter.ts";

const bridge = (ifname: string, ipv4: number, ipv6: number): BridgeLink => ({
  ifname,
  linkinfo: { info_data: { nf_call_iptables: ipv4, nf_call_ip6tables: ipv6 } },
});

test.each<[string, BridgeLink[], boolean, string[]]>([
  ["all of the namespace", [bridge("docker0", 0, 0), bridge("cni0", 0, 0)], true, ["docker0", "cni0"]],
  ["none", [bridge("docker0", 0, 0)], false, []],
  ["one by its own setting", [bridge("docker0", 0, 0), bridge("cni0", 1, 0)], false, ["cni0"]],
  ["one by its own setting for IPv6", [bridge("cni0", 0, 1)], false, ["cni0"]],
  ["an iproute2 that does not say", [{ ifname: "cni0" }], false, []],
])("bridges are filtered: %s", (_, links, isForAll, expected) => {
  expect(filteredBridges(links, isForAll)).toEqual(expected);
});
