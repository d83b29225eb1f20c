// The node's own ICMP errors about what skipped netfilter are not related to anything there: they are untracked. Which conditions of a
// rule they meet. Pure.
import type { Family } from "../address/ip.ts";

/** By names and numbers: iptables has both. */
const protocols = { 4: /^(icmp|1)$/, 6: /^(icmpv6|ipv6-icmp|58)$/ } as const;
/** Without which a path's MTU is not found, and nobody hears of what is not reached. */
const needed = {
  4: ["destination-unreachable", "time-exceeded"],
  6: ["destination-unreachable", "packet-too-big", "time-exceeded"],
} as const;

/** `what`: as nft names it; `values`: one of which is to be so. */
export function passesErrors(what: string, values: readonly string[], family: Family): boolean {
  switch (what) {
    case "l4proto":
    case "ip protocol":
    case "ip6 nexthdr":
      return values.some((value) => protocols[family].test(value));
    case "icmp type":
      return family === 4 && needed[4].every((type) => values.includes(type));
    case "icmpv6 type":
      return family === 6 && needed[6].every((type) => values.includes(type));
    case "state":
      return values.includes("untracked");
    case "nfproto":
      return values.includes(family === 4 ? "ipv4" : "ipv6");
    default:
      return false;
  }
}
