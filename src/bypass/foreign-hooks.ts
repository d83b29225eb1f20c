// Hooks that are no rules: programs of BPF, and of modules that nobody here knows. Pure: takes what `nft list hooks` prints, which
// needs nft 1.0.2 and a kernel with CONFIG_NETFILTER_NETLINK_HOOK (from Linux 5.14 on); it prints nothing where the kernel cannot tell.
import type { Concern } from "./concern.ts";

/** Whose rules are looked at elsewhere, who has none, and who is left on the full path by the module itself. */
const knownModules =
  /^(nf_tables|nf_conntrack|nf_defrag_ipv[46]|nf_nat|ip6?_tables|ip6?table_[a-z]+|br_netfilter|ip_vs|ipvlan|podwire_(bypass|stt))$/;
/** Of kernels that have them built in, and of security modules, which look only at marks that rules make. */
const knownFunctions =
  /^(nft_do_chain\w*|ip6?t_do_table|ip6?table_\w+|ipv[46]_(conntrack_\w+|confirm|helper)|ipv6_defrag|nf_confirm|nf_nat_\w+|ip_sabotage_in|ip_vs_\w+|ipvlan_nf_input|(selinux|apparmor)_ip(v[46])?_\w+)$/;

/** A line for each hook that such traffic would not meet any more. */
export function hookObstacles(listing: string, { hooks, prefixes }: Concern): string[] {
  const families = prefixes.map(({ ip }) => (ip.family === 4 ? "ip" : "ip6"));
  let family = "";
  let hook = "";
  const found: string[] = [];
  for (const line of listing.split("\n").map((text) => text.trim())) {
    family = /^family (\w+) /.exec(line)?.[1] ?? family;
    hook = /^hook (\w+)/.exec(line)?.[1] ?? hook;
    const [, what = ""] = /^[+-]?\s*[0-9]+ (.+)$/.exec(line) ?? [];
    if (what === "" || !["inet", ...families].includes(family) || !hooks.includes(hook)) continue;
    if (!isKnown(what)) found.push(`${what} at hook ${hook} of family ${family}`);
  }
  return found;
}

function isKnown(what: string): boolean {
  const [, name = "", module = ""] = /^(\S+).*?(?: \[(\w+)\])?$/.exec(what) ?? [];
  return name === "chain" || knownModules.test(module) || (module === "" && knownFunctions.test(name));
}
