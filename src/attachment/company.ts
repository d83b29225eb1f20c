// Tells where a new pod and others of its node will not reach each other, because the node's datapath was switched or its
// networks have several.
import { slaveOf, whyApart } from "../datapath/apart.ts";
import { hostSlavePattern } from "../datapath/names.ts";
import { hostLinkNames, linksWithHostRoutes } from "../linux/links.ts";
import { type Plan, sharedLinks } from "../plan/plan.ts";
import { liveAttachments } from "./repair.ts";

/** Each reason once, with how many pods it is about. */
export function apartFrom(plan: Plan): string[] {
  if (!isInCompany(plan)) return [];
  const counts = new Map<string, number>();
  for (const record of liveAttachments()) {
    const why = whyApart(plan, record.plan);
    if (why !== undefined) counts.set(why, (counts.get(why) ?? 0) + 1);
  }
  return [...counts].map(([why, count]) => `${why} (${count} ${count === 1 ? "pod" : "pods"})`);
}

/**
 * Whether the node may have pods of ipvlan and others: only then are records worth reading. The host has a route to every
 * pod, to those of ipvlan by its own slave.
 */
function isInCompany(plan: Plan): boolean {
  if (slaveOf(plan) === undefined) return hostLinkNames().some((name) => hostSlavePattern.test(name));
  const own = sharedLinks(plan).map(({ name }) => name);
  return [...linksWithHostRoutes()].some((link) => !own.includes(link));
}
