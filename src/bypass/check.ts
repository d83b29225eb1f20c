// Whether it is safe to let traffic skip this node's netfilter: gathers what the node has, and names whatever would not
// be applied any more.
import type { Prefix } from "../address/ip.ts";
import type { Host } from "../kernel-module/host.ts";
import { readText } from "../kernel-module/module.ts";
import type { NftObject } from "../linux/nft-listing.ts";
import { bridgeObstacles } from "./bridge-filter.ts";
import { type Concern, podsTraffic, tunnelsTraffic } from "./concern.ts";
import { firstLine } from "./first-line.ts";
import { hookObstacles } from "./foreign-hooks.ts";
import { legacyObstacles } from "./legacy-obstacles.ts";
import { legacyTables, listLegacy } from "./legacy-rules.ts";
import { nftObstacles } from "./obstacles.ts";
import { masqueradeObstacles } from "./own-masquerade.ts";

/** What is to be bypassed. */
export interface BypassTraffic {
  readonly pods: readonly Prefix[];
  /** Of the pods. */
  readonly excluded: readonly Prefix[];
  readonly node: readonly Prefix[];
  readonly peers: readonly Prefix[];
  /** As "udp 8472". */
  readonly tunnels: readonly string[];
}

/** A line for each reason against it; none if it is safe. What cannot be looked at is a reason. */
export interface BypassObstacles {
  /** Against all of it. */
  readonly pods: readonly string[];
  /** Only against the tunnels. */
  readonly tunnels: readonly string[];
}

/** `judged` are networks whose masquerading the caller has judged already. */
export async function bypassObstacles(
  host: Host,
  traffic: BypassTraffic,
  judged: readonly string[] = [],
): Promise<BypassObstacles> {
  const { pods } = traffic;
  const concerns = concernsOf(traffic);
  const [nft, legacy, hooks, bridges] = await Promise.all([
    nftRules(host, pods, judged, concerns),
    legacyRules(host, concerns),
    foreignHooks(host, concerns),
    bridgeFilter(host),
  ]);
  const found = [nft, legacy, hooks];
  return {
    pods: [...found.flatMap((part) => part.pods), ...bridges, ...untrackedIpvs()],
    tunnels: found.flatMap((part) => part.tunnels),
  };
}

interface Concerns {
  readonly pods?: Concern;
  readonly tunnels?: Concern;
}

function concernsOf({ pods, excluded, node, peers, tunnels }: BypassTraffic): Concerns {
  const ports = tunnels.map((tunnel) => Number(tunnel.split(" ")[1]));
  return {
    // Whoever names nothing at all asks about all that the node forwards.
    ...(pods.length > 0 || ports.length === 0 ? { pods: podsTraffic(pods, excluded) } : {}),
    ...(ports.length > 0 ? { tunnels: tunnelsTraffic([...node, ...peers], ports) } : {}),
  };
}

function against({ pods, tunnels }: Concerns, look: (concern: Concern) => string[]): BypassObstacles {
  return {
    pods: pods === undefined ? [] : look(pods),
    tunnels: tunnels === undefined ? [] : look(tunnels),
  };
}

async function nftRules(
  host: Host,
  pods: readonly Prefix[],
  judged: readonly string[],
  concerns: Concerns,
): Promise<BypassObstacles> {
  const unknown = (why: string) => ({ pods: [why], tunnels: [] });
  const listing = await host.ask("nft", ["-j", "-a", "list", "ruleset"]);
  if (listing === undefined) return unknown("nft is not in PATH, so the rules cannot be looked at");
  if (listing.exitCode !== 0) return unknown(`nft list ruleset fails: ${firstLine(listing.stderr)}`);
  const { nftables } = JSON.parse(listing.stdout.trim() || '{"nftables":[]}') as {
    nftables: NftObject[];
  };
  const found = against(concerns, (concern) => nftObstacles(nftables, concern));
  const sets = nftables.flatMap(({ set }) => set ?? []);
  return { ...found, pods: [...found.pods, ...masqueradeObstacles(sets, pods, judged)] };
}

async function legacyRules(host: Host, concerns: Concerns): Promise<BypassObstacles> {
  const found: BypassObstacles[] = [];
  for (const one of legacyTables()) {
    const answer = await listLegacy(host, one);
    if ("fault" in answer) found.push({ pods: [answer.fault], tunnels: [] });
    else
      found.push(
        against(concerns, (concern) => legacyObstacles(one.program, one.table, answer.listing, concern)),
      );
  }
  return {
    pods: found.flatMap(({ pods }) => pods),
    tunnels: found.flatMap(({ tunnels }) => tunnels),
  };
}

/** Where nft or the kernel cannot tell, nobody can. */
async function foreignHooks(host: Host, concerns: Concerns): Promise<BypassObstacles> {
  const listing = await host.ask("nft", ["list", "hooks"]);
  return against(concerns, (concern) =>
    listing?.exitCode === 0 ? hookObstacles(listing.stdout, concern) : [],
  );
}

async function bridgeFilter(host: Host): Promise<string[]> {
  const settings = ["iptables", "ip6tables"].map((name) =>
    readText(`/proc/sys/net/bridge/bridge-nf-call-${name}`).trim(),
  );
  // Without br_netfilter there are none.
  if (settings.every((setting) => setting === "")) return [];
  const bridges = await host.ask("ip", ["-json", "-details", "link", "show", "type", "bridge", "up"]);
  return bridgeObstacles(bridges, settings.includes("1"));
}

/** It translates answers by a table of its own then, which nobody else can ask. */
function untrackedIpvs(): string[] {
  const isOff = readText("/proc/sys/net/ipv4/vs/conntrack").trim() === "0";
  const hasServices = /^(TCP|UDP|FWM) /m.test(readText("/proc/net/ip_vs"));
  return isOff && hasServices ? ["IPVS works without conntrack; set net.ipv4.vs.conntrack to 1"] : [];
}
