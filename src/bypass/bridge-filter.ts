// br_netfilter shows what bridges forward to the rules for what is routed: of all bridges by a setting of the namespace, of one by
// the bridge's own. Pure: takes what `ip -json -details link show type bridge up` prints.
export interface BridgeLink {
  readonly ifname?: string;
  readonly linkinfo?: {
    readonly info_data?: { readonly nf_call_iptables?: number; readonly nf_call_ip6tables?: number };
  };
}

export function filteredBridges(links: readonly BridgeLink[], isForAll: boolean): string[] {
  return links.flatMap(({ ifname, linkinfo }) => {
    const { nf_call_iptables = 0, nf_call_ip6tables = 0 } = linkinfo?.info_data ?? {};
    return ifname !== undefined && (isForAll || nf_call_iptables + nf_call_ip6tables > 0) ? [ifname] : [];
  });
}
