// Firewalls of others that drop what is forwarded unless a rule accepts it: Docker's, firewalld's. A packet
// must pass every chain, so podwire cannot overrule them; it can only tell.
import fs from "node:fs";
import type { Prefix } from "../../address/ip.ts";
import type { NftObject } from "../../linux/nft-listing.ts";
import { droppingChains } from "./dropping-chains.ts";
import { type Finding, fine, unchecked, warning } from "./finding.ts";
import { type Node, podPrefixes } from "./node.ts";

const check = "firewall of forwarded packets";

export async function checkFirewall(node: Node): Promise<Finding[]> {
  const pods = podPrefixes(node);
  const findings = [...(await checkNft(node, pods)), ...(await checkLegacy(node))];
  return findings.length > 0 ? findings : [fine(check, "no chain drops by default what pods send")];
}

async function checkNft(node: Node, pods: readonly Prefix[]): Promise<Finding[]> {
  const listing = await node.ask("nft", ["-t", "-j", "list", "ruleset"]);
  if (listing === undefined) return [unchecked(check, "nft is not in PATH")];
  if (listing.exitCode !== 0) return [unchecked(check, listing.stderr.trim().split("\n")[0] ?? "")];
  const { nftables } = JSON.parse(listing.stdout.trim() || '{"nftables":[]}') as { nftables: NftObject[] };
  return droppingChains(nftables, pods).map((name) => dropping(`chain ${name}`, acceptingHint(name)));
}

/** Rules made by iptables-legacy are in no nft listing. */
async function checkLegacy(node: Node): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const [tables, program] of [
    ["ip_tables_names", "iptables"],
    ["ip6_tables_names", "ip6tables"],
  ] as const) {
    if (!readLines(`/proc/net/${tables}`).includes("filter")) continue;
    const name = node.find(`${program}-legacy`) === undefined ? program : `${program}-legacy`;
    const listing = await node.ask(name, ["-S", "FORWARD"]);
    if (listing?.exitCode !== 0) findings.push(unchecked(check, `${name} -S FORWARD fails`));
    else if (dropsByLegacy(listing.stdout)) {
      findings.push(dropping(`${name} FORWARD`, `${name} -I FORWARD -i pw+ -j ACCEPT; the same with -o pw+`));
    }
  }
  return findings;
}

/** A rule without conditions, or one for podwire's links, lets pods through. */
export function dropsByLegacy(rules: string): boolean {
  const lines = rules.split("\n");
  const accepts = lines.some((line) => /^-A FORWARD( -[io] pw\S*)? -j ACCEPT$/.test(line.trim()));
  return lines.includes("-P FORWARD DROP") && !accepts;
}

function dropping(chain: string, fix: string): Finding {
  const breaks =
    "pods reach this host but neither each other nor anything beyond, unless a rule for them was missed";
  return warning(check, `${chain} drops by default, and no rule for pods was found`, breaks, fix);
}

function acceptingHint(chain: string): string {
  const [family, , name] = chain.split(" ");
  const isIptables = name === "FORWARD" && family !== "inet";
  const program = family === "ip6" ? "ip6tables" : "iptables";
  if (isIptables) return `${program} -I FORWARD -i pw+ -j ACCEPT; ${program} -I FORWARD -o pw+ -j ACCEPT`;
  return `nft insert rule ${chain} iifname "pw*" accept; nft insert rule ${chain} oifname "pw*" accept`;
}

function readLines(file: string): string[] {
  try {
    return fs.readFileSync(file, "utf8").split("\n");
  } catch {
    return [];
  }
}
