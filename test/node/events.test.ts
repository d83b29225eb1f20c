// What the keeper of an overlay wakes for, by lines as the monitors print them, and what of a node's daily life it sleeps through.
import { describe, expect, test } from "vitest";
import { isLoss, isOfOverlay, isOfOverlayFlows, isOfPeerSets } from "../../src/node/events.ts";

const prefixes = ["10.244.2.0/24", "10.244.3.0/24", "fd00:10:244:2::/64"];
const wakes = (line: string) =>
  isOfOverlay(line, { underlay: "eth0", local: "192.0.2.1", prefixes, bridge: "podwire0" });
const link =
  "<BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP \\    link/ether 02:00:00:00:00:01";

describe("the keeper wakes for", () => {
  test.each([
    "[ROUTE]Deleted 10.244.2.0/24 via 192.0.2.2 dev eth0 proto 120 metric 2562 ",
    "[ROUTE]Deleted 10.244.2.0/24  encap ip id 4096 dst 192.0.2.2 via 10.244.2.0 dev pw-vxlan proto 120 onlink ",
    "[ROUTE]10.244.3.0/24 via 192.0.2.77 dev eth0 metric 9000 ",
    "[ROUTE]blackhole 10.244.3.0/24 ",
    "[ROUTE]Deleted unreachable 10.244.3.7 proto 3 ",
    "[ROUTE]10.244.2.128/25 via 198.51.100.7 dev eth1 ",
    "[ROUTE]fd00:10:244:2::/64 via fe80::7 dev eth1 metric 1024 pref medium",
    "[ROUTE]fd00:10:244:2::7 dev eth1 metric 1024 pref medium",
    "[ROUTE]Deleted default via 192.0.2.254 dev eth1 ",
    `[LINK]2: eth0@if5: ${link}`,
    `[LINK]Deleted 7: pw-vxlan: ${link}`,
    `[LINK]8: vxlan_sys_4789: ${link} master ovs-system`,
    `[LINK]6: podwire0: ${link}`,
    "[ADDR]Deleted 2: eth0    inet 192.0.2.1/24 scope global eth0\\       valid_lft forever preferred_lft forever",
    "[ADDR]Deleted 9: eth1    inet 192.0.2.1/32 scope global eth1\\       valid_lft forever preferred_lft forever",
    "[ADDR]6: podwire0    inet6 fe80::1/64 scope link \\       valid_lft forever preferred_lft forever",
    "[NEIGH]Deleted 10.244.2.0 dev pw-vxlan lladdr 0a:70:c0:00:02:02 PERMANENT",
    "[NETCONF]inet all forwarding off ",
    "[NETCONF]inet eth0 forwarding off rp_filter off mc_forwarding off ",
  ])("%s", (line) => expect(wakes(line)).toBe(true));
});

describe("the keeper sleeps through", () => {
  test.each([
    ["a pod's route on the bridge", "[ROUTE]10.244.1.5 dev podwire0 proto 119 scope link src 192.0.2.1 "],
    ["the same as it goes", "[ROUTE]Deleted 10.244.1.5 dev podwire0 proto 119 scope link "],
    ["a pod's neighbour on the bridge", "[NEIGH]10.244.1.5 dev podwire0 lladdr 02:00:00:00:00:07 PERMANENT"],
    ["a setting of the bridge", "[NETCONF]inet podwire0 forwarding on rp_filter off "],
    ["a pod's ipvlan slave of the underlay", `[LINK]12: pw73862bcce73ee@eth0: ${link}`],
    ["the same as it moves away", `[LINK]Deleted 12: pw73862bcce73ee@eth0: ${link}`],
    ["a VLAN on the underlay", `[LINK]13: pwv0123456789@eth0: ${link}`],
    ["an ipvlan slave of the overlay's device", `[LINK]14: pw73862bcce73ef@pw-vxlan: ${link}`],
    ["a pod's veth", `[LINK]15: pw73862bcce73f0@if2: ${link}`],
    ["a port of the underlay's bridge", `[LINK]16: tap0: ${link} master eth0 `],
    ["a pod's route by veth", "[ROUTE]10.244.1.6 dev pw73862bcce73f0 proto 119 scope link "],
    [
      "another bridge's route",
      "[ROUTE]172.17.0.0/16 dev docker0 proto kernel scope link src 172.17.0.1 linkdown ",
    ],
    ["a route that says no more than where nothing is", "[ROUTE]blackhole 10.99.0.0/24 "],
    ["a wider route than a peer's", "[ROUTE]10.244.0.0/16 via 198.51.100.7 dev eth1 "],
    ["IPv6 of a pod's veth", "[ROUTE]fe80::/64 dev pw73862bcce73f0 proto kernel metric 256 pref medium"],
    [
      "the same of its address",
      "[ROUTE]local fe80::1 dev pw73862bcce73f0 table local proto kernel metric 0 ",
    ],
    ["a neighbour on the underlay", "[NEIGH]192.0.2.2 dev eth0 lladdr 02:00:00:00:00:02 REACHABLE"],
    [
      "an address of another link",
      "[ADDR]9: eth1    inet 192.0.2.10/24 scope global eth1\\       valid_lft forever preferred_lft forever",
    ],
    ["another link", `[LINK]17: docker0: ${link}`],
  ])("%s", (_, line) => expect(wakes(line)).toBe(false));
});

test("without a bridge nothing of one counts", () => {
  expect(
    isOfOverlay(`[LINK]6: podwire0: ${link}`, {
      underlay: "eth0",
      local: "192.0.2.1",
      prefixes,
      bridge: undefined,
    }),
  ).toBe(false);
});

test("what a monitor could not take is looked for", () => {
  expect(isLoss("netlink receive error No buffer space available (105)")).toBe(true);
  expect(isLoss("# ERROR: We lost some netlink events!")).toBe(true);
  expect(isLoss("# new generation 7 by process 42 (nft)")).toBe(false);
});

test("of nftables the sets of peers and the filter count, not those of pods", () => {
  expect(isOfPeerSets("delete table inet podwire")).toBe(true);
  expect(isOfPeerSets("delete element inet podwire peers4 { 10.244.2.0/24 }")).toBe(true);
  expect(isOfPeerSets("delete rule inet podwire tunnels handle 7")).toBe(true);
  expect(isOfPeerSets("add element inet podwire pods4-podnet { 10.244.1.5 }")).toBe(false);
});

test("of flows those with the overlay's cookie count", () => {
  const line = (cookie: string) =>
    ` event=DELETED reason=delete table=4 cookie=${cookie} priority=40,ip,nw_dst=10.244.2.0/24 actions=drop`;
  expect(isOfOverlayFlows(line("0x7077000000000001"))).toBe(true);
  expect(isOfOverlayFlows(line("0x70770000abcd0000"))).toBe(false);
});
