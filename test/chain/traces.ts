// All that a chain could leave on a node: links, addresses, routes, routing rules, queueing disciplines,
// netfilter rules of both kinds, files. Compared before ADD and after DEL, line by line.
import type { TestNode } from "../fixture/node.ts";

const listings = `
ip -o link show | sed 's/^[0-9]*: /link /; s/@[^:]*:/:/; s/ qlen .*//'
ip -o address show | sed 's/^[0-9]*: /address /'
ip rule show | sed 's/^/rule /'
ip -6 rule show | sed 's/^/rule6 /'
ip -4 route show table all | sed 's/^/route /'
ip -6 route show table all | sed 's/^/route6 /'
tc qdisc show | sed 's/^/qdisc /'
for table in nat filter mangle raw; do
  iptables -t $table -S 2>/dev/null | sed "s/^/iptables $table /"
  ip6tables -t $table -S 2>/dev/null | sed "s/^/ip6tables $table /"
done
nft list tables | grep -v ' ip6\\? ' | sed 's/^/nft /'
nft list table inet podwire 2>/dev/null | awk '/set /{set=$2} set ~ /^pods/ && /[.:]/{print "nft " set, $0}'
find /var/lib/podwire /var/lib/cni /run/cni -type f 2>/dev/null | sed 's/^/file /'
true
`;

/** What plugins share between pods and leave on purpose. */
const shared = [
  // The node's own address on its uplink comes a moment after its start.
  /^(address|route6) .*\bfe80::.* dev uplink |^address uplink +inet6 fe80::/,
  // The kernel's answer to IPv6 forwarding, which podwire leaves on.
  /^route6 anycast /,
  /^file .*\/(lock|last_reserved_ip\.\d+)$/,
  // portmap and firewall set up their chains once, with the ways into them.
  /^ip6?tables (nat|filter) -[NP] [A-Z-]+( ACCEPT)?$/,
  /^ip6?tables (nat|filter) -A (PREROUTING|OUTPUT|POSTROUTING|FORWARD) .*-j CNI-[A-Z-]+$/,
  /^ip6?tables (nat|filter) -A CNI-(HOSTPORT-SETMARK|HOSTPORT-MASQ|FORWARD) .*-j (MARK|MASQUERADE|CNI-ADMIN)\b/,
  // podwire's table, and a network's sets and chain in it; pods are elements of a set.
  /^nft table inet podwire$/,
];

/** Lines that say what exists now. */
export async function tracesOf(node: TestNode): Promise<ReadonlySet<string>> {
  const lines = (await node.run("sh", "-c", listings)).split("\n");
  return new Set(lines.map((line) => line.trim()).filter((line) => line !== ""));
}

/** What exists now and did not exist then, but for what plugins share between pods. */
export async function leftSince(before: ReadonlySet<string>, node: TestNode): Promise<string[]> {
  const now = await tracesOf(node);
  return [...now].filter((line) => !before.has(line) && !shared.some((pattern) => pattern.test(line)));
}
