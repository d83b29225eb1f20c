// The whole of the host's links, routes and permanent neighbours, read once: for plans with thousands of routes, and to
// find what is not in the plan.
import { ipAsk } from "../linux/ip.ts";
import type { Kernel } from "../linux/kernel.ts";
import { findProgram } from "../linux/programs.ts";
import { readHostSysctl } from "../linux/sysctl.ts";
import {
  noMasquerade,
  type Observed,
  type ObservedLink,
  type ObservedNeighbour,
  type ObservedRoute,
} from "./observe.ts";
import { readOvs } from "./ovs/observe.ts";
import { readPeerSets } from "./peer-sets.ts";
import type { Plan } from "./plan.ts";
import { readStts, type SttStates } from "./stt.ts";

export interface ObservedHost extends Observed {
  readonly links: readonly ObservedLink[];
  readonly allRoutes: readonly ObservedRoute[];
  readonly allNeighbours: readonly (ObservedNeighbour & { readonly dev: string })[];
  readonly stts: SttStates;
}

const questions = ["address show", "route show table all", "neighbour show nud permanent"];

/** What `plan` has in Open vSwitch is read too. */
export async function observeHost(kernel: Kernel, plan: Plan = []): Promise<ObservedHost> {
  // Without nft there are no sets; who needs some is told when they are to be made.
  const hasNft = findProgram("nft", kernel.searchPath) !== undefined;
  const [answers, peerSets, ovs] = await Promise.all([
    ipAsk("host", questions, kernel),
    hasNft ? readPeerSets(kernel) : undefined,
    readOvs(plan, kernel),
  ]);
  const [links = [], allRoutes = [], allNeighbours = []] = answers as unknown as [
    ObservedHost["links"],
    ObservedHost["allRoutes"],
    ObservedHost["allNeighbours"],
  ];
  const byName = new Map(links.map((link) => [link.ifname, link]));
  const routesOf = groupBy(allRoutes, ({ dev = "" }) => dev);
  const neighboursOf = groupBy(allNeighbours, ({ dev }) => dev);
  return {
    links,
    allRoutes,
    allNeighbours,
    link: (_, name) => byName.get(name),
    routes: (_, link) => routesOf.get(link) ?? none,
    neighbours: (_, link) => neighboursOf.get(link) ?? none,
    sysctl: (_, key) => readHostSysctl(key),
    masquerade: noMasquerade,
    ovs,
    stts: await readStts(links, kernel),
    ...(peerSets === undefined ? {} : { peerSets }),
  };
}

const none: never[] = [];

function groupBy<T>(values: readonly T[], keyOf: (value: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const value of values) {
    const group = groups.get(keyOf(value));
    if (group === undefined) groups.set(keyOf(value), [value]);
    else group.push(value);
  }
  return groups;
}
