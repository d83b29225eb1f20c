// br_netfilter shows what bridges forward to the rules for what is routed: of all bridges by a setting of the namespace, of one by
// the bridge's own. Pure: takes what `ip -json -details link show type bridge up` says.
import type { RunOutcome } from "../linux/run.ts";
import { firstLine } from "./first-line.ts";

interface BridgeLink {
  readonly ifname?: string;
  readonly linkinfo?: {
    readonly info_data?: { readonly nf_call_iptables?: number; readonly nf_call_ip6tables?: number };
  };
}

/** A line if there is something in the way; `listing` is undefined where there is no `ip`. */
export function bridgeObstacles(listing: RunOutcome | undefined, isForAll: boolean): string[] {
  if (listing?.exitCode !== 0) {
    const why = listing === undefined ? "ip is not in PATH" : `ip link fails: ${firstLine(listing.stderr)}`;
    return [`${why}, so nobody knows which bridges br_netfilter filters`];
  }
  const links = JSON.parse(listing.stdout.trim() || "[]") as BridgeLink[];
  const names = filteredBridges(links, isForAll);
  return names.length === 0 ? [] : [`br_netfilter filters what bridge ${names.join(", ")} forwards`];
}

function filteredBridges(links: readonly BridgeLink[], isForAll: boolean): string[] {
  return links.flatMap(({ ifname, linkinfo }) => {
    const { nf_call_iptables = 0, nf_call_ip6tables = 0 } = linkinfo?.info_data ?? {};
    return ifname !== undefined && (isForAll || nf_call_iptables + nf_call_ip6tables > 0) ? [ifname] : [];
  });
}
