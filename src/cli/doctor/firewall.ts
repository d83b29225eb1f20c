// Firewalls of others that drop what is forwarded, or for ipvlan in l3s what comes in, unless a rule accepts it:
// Docker's, firewalld's. A packet must pass every chain, so podwire cannot overrule them; it can only tell.
import fs from "node:fs";
import { type Family, formatPrefix } from "../../address/ip.ts";
import { nftFamilies } from "../../linux/nft.ts";
import type { NftObject } from "../../linux/nft-listing.ts";
import type { RunOutcome } from "../../linux/run.ts";
import { droppingChains, namesAddress } from "./dropping-chains.ts";
import { type Finding, fine, unchecked, warning } from "./finding.ts";
import type { Node } from "./node.ts";
import { meansLink, type Passage, passagesOf } from "./passages.ts";

const checks = {
  forward: "firewall of forwarded packets",
  input: "firewall of what ipvlan l3s pods receive",
};

export async function checkFirewall(node: Node): Promise<Finding[]> {
  const listing = await node.ask("nft", ["-t", "-j", "list", "ruleset"]);
  const byHook = Map.groupBy(passagesOf(node), ({ hook }) => hook);
  const checking = [...byHook].map(async ([hook, passages]) => {
    const findings = await Promise.all(passages.map((passage) => checkPassage(node, passage, listing)));
    const different = new Map(findings.flat().map((finding) => [JSON.stringify(finding), finding]));
    if (different.size > 0) return [...different.values()];
    return [fine(checks[hook], "no chain drops by default what is for pods or from them")];
  });
  return (await Promise.all(checking)).flat();
}

async function checkPassage(
  node: Node,
  passage: Passage,
  listing: RunOutcome | undefined,
): Promise<Finding[]> {
  return [...checkNft(passage, listing), ...(await checkLegacy(node, passage))];
}

function checkNft(passage: Passage, listing: RunOutcome | undefined): Finding[] {
  const check = checks[passage.hook];
  if (listing === undefined) return [unchecked(check, "nft is not in PATH")];
  if (listing.exitCode !== 0) return [unchecked(check, listing.stderr.trim().split("\n")[0] ?? "")];
  const { nftables } = JSON.parse(listing.stdout.trim() || '{"nftables":[]}') as { nftables: NftObject[] };
  return droppingChains(nftables, passage).map((name) =>
    dropping(`chain ${name}`, passage, acceptingHint(name, passage)),
  );
}

/** Rules made by iptables-legacy are in no nft listing. */
async function checkLegacy(node: Node, passage: Passage): Promise<Finding[]> {
  const findings: Finding[] = [];
  const chain = passage.hook.toUpperCase();
  for (const [tables, program, family] of [
    ["ip_tables_names", "iptables", 4],
    ["ip6_tables_names", "ip6tables", 6],
  ] as const) {
    if (!readLines(`/proc/net/${tables}`).includes("filter")) continue;
    const name = node.find(`${program}-legacy`) === undefined ? program : `${program}-legacy`;
    const listing = await node.ask(name, ["-S", chain]);
    if (listing?.exitCode !== 0) findings.push(unchecked(checks[passage.hook], `${name} -S ${chain} fails`));
    else if (dropsByLegacy(listing.stdout, passage)) {
      findings.push(dropping(`${name} ${chain}`, passage, iptablesHint(name, family, passage)));
    }
  }
  return findings;
}

/** A rule without conditions, or one for pods' links or addresses alone, lets pods through. */
export function dropsByLegacy(rules: string, passage: Pick<Passage, "hook" | "links" | "pods">): boolean {
  const chain = passage.hook.toUpperCase();
  const rule = new RegExp(`^-A ${chain}( -[iosd] (\\S+))? -j ACCEPT$`);
  const lines = rules.split("\n");
  const accepts = lines.some((line) => {
    const found = rule.exec(line.trim());
    if (found === null) return false;
    const [, condition, value = ""] = found;
    const isForLink = meansLink(value.replace(/\+$/, "*"), passage.links);
    return condition === undefined || isForLink || namesAddress(value, passage.pods);
  });
  return lines.includes(`-P ${chain} DROP`) && !accepts;
}

function dropping(chain: string, { hook, links, pods }: Passage, fix: string): Finding {
  if (links.length + pods.length === 0) {
    const what = `${chain} drops by default, and which addresses pods get only their IPAM knows`;
    return unchecked(checks[hook], what);
  }
  const breaks =
    hook === "forward"
      ? "pods reach this host but neither each other nor anything beyond"
      : "pods get answers, but nobody outside of this node reaches them";
  const found = `${chain} drops by default, and no rule for pods was found`;
  return warning(checks[hook], found, `${breaks}, unless a rule for them was missed`, fix);
}

function acceptingHint(chain: string, passage: Passage): string {
  const [family = "", , name] = chain.split(" ");
  if (name === passage.hook.toUpperCase() && family === "ip") return iptablesHint("iptables", 4, passage);
  if (name === passage.hook.toUpperCase() && family === "ip6") return iptablesHint("ip6tables", 6, passage);
  const families = nftFamilies.filter(({ keyword }) => family === keyword || family === "inet");
  const matches = [
    ...waysOf(
      passage,
      ["iifname", "oifname"],
      passage.links.map((link) => `"${link}"`),
    ),
    ...families.flatMap(({ number, keyword }) =>
      waysOf(passage, [`${keyword} saddr`, `${keyword} daddr`], linkless(passage, number)),
    ),
  ];
  return matches.map((match) => `nft insert rule ${chain} ${match} accept`).join("; ");
}

function iptablesHint(program: string, family: Family, passage: Passage): string {
  const links = passage.links.map((link) => link.replace(/\*$/, "+"));
  const matches = [
    ...waysOf(passage, ["-i", "-o"], links),
    ...waysOf(passage, ["-s", "-d"], linkless(passage, family)),
  ];
  return matches.map((match) => `${program} -I ${passage.hook.toUpperCase()} ${match} -j ACCEPT`).join("; ");
}

/** From pods and to them, or what they receive alone. */
function waysOf({ hook }: Passage, [from, to]: [string, string], values: readonly string[]): string[] {
  const ways = hook === "input" ? [to] : [from, to];
  return values.flatMap((value) => ways.map((way) => `${way} ${value}`));
}

function linkless({ links, pods }: Passage, family: Family): string[] {
  return links.length > 0 ? [] : pods.filter(({ ip }) => ip.family === family).map(formatPrefix);
}

function readLines(file: string): string[] {
  try {
    return fs.readFileSync(file, "utf8").split("\n");
  } catch {
    return [];
  }
}
