// Bridges as `ip -json -details link show type bridge up` of iproute2 6.1 prints them, as far as it matters.
import { expect, test } from "vitest";
import { bridgeObstacles } from "../../src/bypass/bridge-filter.ts";

const bridge = (ifname: string, ipv4: number, ipv6: number) => ({
  ifname,
  linkinfo: { info_data: { nf_call_iptables: ipv4, nf_call_ip6tables: ipv6 } },
});

test.each<[string, object[], boolean, string]>([
  ["all of the namespace", [bridge("docker0", 0, 0), bridge("cni0", 0, 0)], true, "docker0, cni0"],
  ["none", [bridge("docker0", 0, 0)], false, ""],
  ["one by its own setting", [bridge("docker0", 0, 0), bridge("cni0", 1, 0)], false, "cni0"],
  ["one by its own setting for IPv6", [bridge("cni0", 0, 1)], false, "cni0"],
  ["an iproute2 that does not say", [{ ifname: "cni0" }], false, ""],
])("bridges are filtered: %s", (_, links, isForAll, names) => {
  const listing = { stdout: JSON.stringify(links), stderr: "", exitCode: 0 };
  expect(bridgeObstacles(listing, isForAll)).toEqual(
    names === "" ? [] : [`br_netfilter filters what bridge ${names} forwards`],
  );
});

test("there are none where ip lists nothing", () => {
  expect(bridgeObstacles({ stdout: "", stderr: "", exitCode: 0 }, true)).toEqual([]);
});

test.each([
  ["is missing", undefined, "ip is not in PATH, "],
  [
    "fails",
    { stdout: "", stderr: "Cannot open netlink\nmore\n", exitCode: 1 },
    "ip link fails: Cannot open netlink, ",
  ],
])("nobody knows them where ip %s", (_, listing, why) => {
  expect(bridgeObstacles(listing, false)).toEqual([
    `${why}so nobody knows which bridges br_netfilter filters`,
  ]);
});
