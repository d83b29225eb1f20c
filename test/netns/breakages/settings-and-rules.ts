// Breakages of kernel settings, of the nftables objects of ipMasq, and of leases.
import { type Breakage, ipv4, ipv6, restorePod } from "./breakage.ts";

/** Host-wide switches carry those of the links with them. */
const forwarding = ["net/ipv4/conf/LINK/forwarding", "net/ipv6/conf/LINK/forwarding"];

export function brokenSetting(where: Breakage["where"], key: string, good: string, bad: string): Breakage {
  const others = where === "host" ? forwarding.map((name) => `; echo 1 > /proc/sys/${name}`) : [];
  return {
    what: `the setting ${key}`,
    where,
    break: `echo ${bad} > /proc/sys/${key}`,
    restore: `echo ${good} > /proc/sys/${key}${others.join("")}`,
    words: [key, good, bad],
  };
}

export const brokenSettings: Breakage[] = [
  brokenSetting("host", "net/ipv4/ip_forward", "1", "0"),
  brokenSetting("host", "net/ipv6/conf/all/forwarding", "1", "0"),
  brokenSetting("host", "net/ipv4/conf/LINK/forwarding", "1", "0"),
  brokenSetting("host", "net/ipv6/conf/LINK/forwarding", "1", "0"),
  brokenSetting("pod", "net/ipv6/conf/eth0/accept_ra", "0", "1"),
  {
    what: "IPv6 switched off in the pod",
    where: "pod",
    break: "echo 1 > /proc/sys/net/ipv6/conf/eth0/disable_ipv6",
    restore: `echo 0 > /proc/sys/net/ipv6/conf/eth0/disable_ipv6; ${restorePod}`,
    words: ["disable_ipv6"],
  },
  ...[
    { elements: "pods4-podnet", element: ipv4 },
    { elements: "pods6-podnet", element: ipv6 },
    { elements: "direct4-podnet", element: "10.244.1.0/24" },
    { elements: "direct6-podnet", element: "fd00:10:244:1::/64" },
  ].map(
    ({ elements, element }): Breakage => ({
      what: `${element} in the nftables set ${elements}`,
      where: "host",
      break: `nft delete element inet podwire ${elements} "{ ${element} }"`,
      restore: `nft add element inet podwire ${elements} "{ ${element} }"`,
      words: ["masquerading", element, "not in"],
    }),
  ),
  {
    what: "the nftables rules",
    where: "host",
    break: "nft list table inet podwire > /run/table; nft flush chain inet podwire masquerade-podnet",
    restore: "nft delete table inet podwire; nft -f /run/table",
    words: ["masquerading", "rule"],
  },
  {
    what: "the nftables rule of IPv6 alone",
    where: "host",
    break:
      "nft list table inet podwire > /run/table; nft -a list table inet podwire > /run/handles; " +
      "nft delete rule inet podwire masquerade-podnet handle $(sed -n 's/.*ip6 saddr.*handle //p' /run/handles | head -1)",
    restore: "nft delete table inet podwire; nft -f /run/table",
    words: ["masquerading"],
  },
  {
    what: "the chain taken off its hook",
    where: "host",
    break:
      "nft list table inet podwire > /run/table; sed '/type nat hook/d' /run/table > /run/unhooked; " +
      "nft delete table inet podwire; nft -f /run/unhooked 2>/dev/null || " +
      "{ sed -i 's/masquerade fully-random/accept/' /run/unhooked; nft -f /run/unhooked; }",
    restore: "nft delete table inet podwire; nft -f /run/table",
    words: ["masquerading"],
  },
  {
    what: "the nftables table",
    where: "host",
    break: "nft list table inet podwire > /run/table; nft delete table inet podwire",
    restore: "nft -f /run/table",
    words: ["masquerading", "podwire"],
  },
  {
    what: "the IPAM's lease",
    where: "host",
    break: `mv /var/lib/cni/networks/podnet/${ipv4} /run/lease4; mv /var/lib/cni/networks/podnet/${ipv6} /run/lease6`,
    restore: `mv /run/lease4 /var/lib/cni/networks/podnet/${ipv4}; mv /run/lease6 /var/lib/cni/networks/podnet/${ipv6}`,
    words: ["lease"],
  },
  {
    what: "the lease of one family",
    where: "host",
    break: `mv /var/lib/cni/networks/podnet/${ipv6} /run/lease6`,
    restore: `mv /run/lease6 /var/lib/cni/networks/podnet/${ipv6}`,
    words: [ipv6],
  },
];
