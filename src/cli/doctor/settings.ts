// Settings of the whole host (sysctls) that decide whether pods' packets are forwarded.
import { readHostSysctl } from "../../linux/sysctl.ts";
import { type Finding, fault, fine, unchecked, warning } from "./finding.ts";
import { hasPodsOf, type Node, usesFamily } from "./node.ts";

export async function checkSettings(node: Node): Promise<Finding[]> {
  return [
    checkForwarding(4, "net/ipv4/ip_forward", node),
    checkForwarding(6, "net/ipv6/conf/all/forwarding", node),
    checkReversePath(),
    checkIpv6Default(),
    await checkAdvertisements(node),
    checkBridgeFilter(),
  ];
}

/** podwire turns it on with the first pod; afterwards somebody else may have turned it off. */
function checkForwarding(family: 4 | 6, key: string, node: Node): Finding {
  const check = `sysctl ${dotted(key)}`;
  const value = readHostSysctl(key);
  if (value === undefined) {
    if (!usesFamily(family, node)) return fine(check, "absent; no network here uses it");
    return fault(check, "absent", `pods with IPv${family} addresses cannot be wired`, "boot with IPv6");
  }
  if (value !== "0") return fine(check, value);
  if (!hasPodsOf(family, node)) return fine(check, `${value}; podwire turns it on with the first pod`);
  const breaks = `pods' IPv${family} traffic is not forwarded: they reach this host alone`;
  return fault(
    check,
    value,
    breaks,
    `sysctl -w ${dotted(key)}=1, and find what turned it off (/etc/sysctl.d)`,
  );
}

function checkReversePath(): Finding {
  const key = "net/ipv4/conf/all/rp_filter";
  const value = readHostSysctl(key) ?? "absent";
  const check = `sysctl ${dotted(key)}`;
  if (value !== "1") return fine(check, value);
  return warning(
    check,
    "1 (strict, for every link)",
    "on a host with several uplinks, packets that come in by another link than answers would leave by are dropped",
    `if there are several: sysctl -w ${dotted(key)}=2`,
  );
}

function checkIpv6Default(): Finding {
  const key = "net/ipv6/conf/default/disable_ipv6";
  const value = readHostSysctl(key) ?? "absent";
  const note = value === "1" ? "; podwire turns IPv6 on for the links that need it" : "";
  return fine(`sysctl ${dotted(key)}`, `${value}${note}`);
}

/** With forwarding on, the kernel takes router advertisements only where accept_ra is 2. */
async function checkAdvertisements(node: Node): Promise<Finding> {
  const check = "router advertisements";
  const said = await node.ask("ip", ["-6", "-json", "route", "show", "default"]);
  if (said === undefined || said.exitCode !== 0) return unchecked(check, "ip shows no IPv6 routes");
  const routes = JSON.parse(said.stdout.trim() || "[]") as { dev?: string; protocol?: string }[];
  const learnt = routes.filter(({ protocol }) => protocol === "ra").flatMap(({ dev }) => dev ?? []);
  if (learnt.length === 0) return fine(check, "no IPv6 default route of the kernel depends on them");
  const isForwarding = readHostSysctl("net/ipv6/conf/all/forwarding") === "1";
  const deaf = learnt.filter((link) => readHostSysctl(`net/ipv6/conf/${link}/accept_ra`) !== "2");
  if (deaf.length === 0) return fine(check, `accepted on ${learnt.join(", ")} also with forwarding`);
  if (!isForwarding) return fine(check, `accepted; podwire sets accept_ra of ${deaf.join(", ")} to 2`);
  return fault(
    check,
    `forwarding is on and accept_ra is not 2 on ${deaf.join(", ")}`,
    "the host's own IPv6 default route runs out and is not renewed",
    deaf.map((link) => `sysctl -w net.ipv6.conf.${link}.accept_ra=2`).join("; "),
  );
}

function checkBridgeFilter(): Finding {
  const values = ["iptables", "ip6tables"].map((name) => readHostSysctl(`net/bridge/bridge-nf-call-${name}`));
  if (values.every((value) => value === undefined))
    return fine("br_netfilter", "not loaded; podwire needs no bridge");
  if (!values.includes("1")) return fine("br_netfilter", "loaded, turned off; podwire needs no bridge");
  const meaning = "packets between ports of a bridge pass the IP firewall; podwire's pods are on none";
  return fine("br_netfilter", `loaded, bridge-nf-call-iptables=${values[0] ?? "absent"}: ${meaning}`);
}

function dotted(key: string): string {
  return key.replaceAll("/", ".");
}
