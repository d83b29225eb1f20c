// Breakages of kernel settings, of the nftables objects of ipMasq, and of leases.
import { type Breakage, ipv4, ipv6, restorePod } from "./breakage.ts";

export const brokenSettings: Breakage[] = [
  ...(
    [
      ["host", "net/ipv4/ip_forward", "1", "0"],
      ["host", "net/ipv6/conf/all/forwarding", "1", "0"],
      ["host", "net/ipv4/conf/LINK/forwarding", "1", "0"],
      ["host", "net/ipv6/conf/LINK/forwarding", "1", "0"],
      ["host", "net/ipv4/conf/LINK/proxy_arp", "1", "0"],
      ["host", "net/ipv4/neigh/LINK/proxy_delay", "0", "80"],
      ["host", "net/ipv6/conf/LINK/accept_ra", "0", "1"],
      ["pod", "net/ipv6/conf/eth0/accept_ra", "0", "1"],
    ] as const
  ).map(
    ([where, key, good, bad]): Breakage => ({
      what: `the setting ${key}`,
      where,
      break: `echo ${bad} > /proc/sys/${key}`,
      // The host-wide switches carry those of the links with them.
      restore: [key, "net/ipv4/conf/LINK/forwarding", "net/ipv6/conf/LINK/forwarding"]
        .slice(0, where === "host" ? 3 : 1)
        .map((name, index) => `echo ${index === 0 ? good : 1} > /proc/sys/${name}`)
        .join("; "),
      words: [key.replace("LINK", ""), good, bad].filter((word) => !word.includes("//")),
    }),
  ),
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
