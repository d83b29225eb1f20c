// Whether it is safe to let pods' traffic skip this node's netfilter: gathers what the node has, and names whatever
// would not be applied any more.
import type { Prefix } from "../address/ip.ts";
import type { Host } from "../kernel-module/host.ts";
import { readText } from "../kernel-module/module.ts";
import type { NftObject } from "../linux/nft-listing.ts";
import { legacyObstacles, nftObstacles } from "./obstacles.ts";
import { masqueradeObstacles } from "./own-masquerade.ts";

/**
 * A line for each reason against it; none if it is safe. What cannot be looked at is a reason. `judged` are networks whose
 * masquerading the caller has judged already.
 */
export async function bypassObstacles(
  host: Host,
  pods: readonly Prefix[],
  judged: readonly string[] = [],
): Promise<string[]> {
  const found = await Promise.all([
    nftRules(host, pods, judged),
    legacyRules(host, pods),
    bridgeFilter(host),
    Promise.resolve(untrackedIpvs()),
  ]);
  return found.flat();
}

async function nftRules(host: Host, pods: readonly Prefix[], judged: readonly string[]): Promise<string[]> {
  const listing = await host.ask("nft", ["-j", "-a", "list", "ruleset"]);
  if (listing === undefined) return ["nft is not in PATH, so the rules cannot be looked at"];
  if (listing.exitCode !== 0) return [`nft list ruleset fails: ${listing.stderr.trim().split("\n")[0]}`];
  const { nftables } = JSON.parse(listing.stdout.trim() || '{"nftables":[]}') as {
    nftables: NftObject[];
  };
  const sets = nftables.flatMap(({ set }) => set ?? []);
  return [...nftObstacles(nftables, pods), ...masqueradeObstacles(sets, pods, judged)];
}

/** Rules made by iptables-legacy are in no nft listing. */
async function legacyRules(host: Host, pods: readonly Prefix[]): Promise<string[]> {
  const found: string[] = [];
  for (const [names, program] of [
    ["ip_tables_names", "iptables"],
    ["ip6_tables_names", "ip6tables"],
  ] as const) {
    for (const table of readText(`/proc/net/${names}`)
      .split("\n")
      .filter((name) => name !== "")) {
      const listing =
        (await host.ask(`${program}-legacy`, ["-t", table, "-S"])) ??
        (await host.ask(program, ["-t", table, "-S"]));
      if (listing?.exitCode === 0) found.push(...legacyObstacles(program, table, listing.stdout, pods));
      else
        found.push(`the kernel has rules of ${program}, table ${table}, that ${program}-legacy cannot list`);
    }
  }
  return found;
}

/** It shows bridged packets to the rules for routed ones. */
async function bridgeFilter(host: Host): Promise<string[]> {
  if (readText("/proc/sys/net/bridge/bridge-nf-call-iptables").trim() !== "1") return [];
  const bridges = await host.ask("ip", ["-json", "link", "show", "type", "bridge", "up"]);
  const names = JSON.parse(bridges?.stdout.trim() || "[]") as { ifname?: string }[];
  const up = names.flatMap(({ ifname }) => ifname ?? []);
  return up.length === 0 ? [] : [`br_netfilter filters what bridge ${up.join(", ")} forwards`];
}

/** It translates answers by a table of its own then, which nobody else can ask. */
function untrackedIpvs(): string[] {
  const isOff = readText("/proc/sys/net/ipv4/vs/conntrack").trim() === "0";
  const hasServices = /^(TCP|UDP|FWM) /m.test(readText("/proc/net/ip_vs"));
  return isOff && hasServices ? ["IPVS works without conntrack; set net.ipv4.vs.conntrack to 1"] : [];
}
