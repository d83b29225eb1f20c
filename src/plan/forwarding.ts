// What the host needs to route for pods, whether a datapath or an overlay asks: set for the whole host, by kernel settings. Those of
// single links stay with who plans the links, because their order matters: ip_forward sets them all.
import type { Family } from "../address/ip.ts";
import type { Sysctl } from "./plan.ts";

/** `advertisedLinks`: those that would lose a default route of a router advertisement once IPv6 forwarding is on. */
export function hostForwarding(family: Family, advertisedLinks: readonly string[]): Sysctl[] {
  if (family === 4) return [hostSysctl("net/ipv4/ip_forward", "1")];
  return [
    // 2: accept router advertisements although forwarding (Documentation/networking/ip-sysctl.rst).
    ...advertisedLinks.map((name) => hostSysctl(`net/ipv6/conf/${name}/accept_ra`, "2")),
    hostSysctl("net/ipv6/conf/all/forwarding", "1"),
  ];
}

export function hostSysctl(key: string, value: string): Sysctl {
  return { kind: "sysctl", where: "host", key, value };
}
