// Tells where a new pod and others of its node will not reach each other, because the node's datapath was switched or its
// networks have several.
import fs from "node:fs";
import path from "node:path";
import { slaveOf, whyApart } from "../datapath/apart.ts";
import { hostSlavePattern } from "../datapath/names.ts";
import { makeDirectory, replaceFile, runDirectory } from "../linux/files.ts";
import { hostLinkNames, linksWithHostRoutes } from "../linux/links.ts";
import { type PodPlan, sharedLinks } from "../plan/plan.ts";
import { liveAttachments } from "./liveness.ts";
import { allRecords, type StoredRecord, wholeRecords } from "./record.ts";

/** Each reason once, with how many pods it is about. */
export function apartFrom(plan: PodPlan): string[] {
  if (!isInCompany(plan)) return [];
  const stored = allRecords();
  forgetUnseen(stored);
  const counts = new Map<string, number>();
  for (const record of liveAttachments(stored)) {
    const why = whyApart(plan, record.plan);
    if (why !== undefined) counts.set(why, (counts.get(why) ?? 0) + 1);
  }
  return [...counts].map(([why, count]) => `${why} (${count} ${count === 1 ? "pod" : "pods"})`);
}

/** There while the node may have slaves that leave no trace on the host. */
const unseenSlaves = path.join(runDirectory, "unseen-slaves");

/** For an ADD, before it makes anything: the host has neither a slave nor a route to pods with another flag than bridge. */
export function rememberUnseen(plan: PodPlan): void {
  if (!hasUnseen(plan) || fs.existsSync(unseenSlaves)) return;
  makeDirectory(runDirectory, 0o700);
  replaceFile(unseenSlaves, "");
}

function hasUnseen(plan: PodPlan): boolean {
  const slave = slaveOf(plan);
  return slave !== undefined && slave.flag !== "bridge";
}

/** Once they are gone: an ADD that is not in company has no records to read any more. */
function forgetUnseen(stored: readonly StoredRecord[]): void {
  if (!fs.existsSync(unseenSlaves) || mayHaveUnseen(stored)) return;
  fs.rmSync(unseenSlaves, { force: true });
  // Twice: another ADD may have recorded one since, and have found the file.
  if (mayHaveUnseen(allRecords())) replaceFile(unseenSlaves, "");
}

/** A torn record may be of anything. */
function mayHaveUnseen(stored: readonly StoredRecord[]): boolean {
  return stored.includes("torn") || wholeRecords(stored).some(({ plan }) => hasUnseen(plan));
}

/**
 * Whether the node may have pods of ipvlan and others: only then are records worth reading. The host has a route to every
 * pod that it can have one to, to those of ipvlan by its own slave.
 */
function isInCompany(plan: PodPlan): boolean {
  if (fs.existsSync(unseenSlaves)) return true;
  if (slaveOf(plan) === undefined) return hostLinkNames().some((name) => hostSlavePattern.test(name));
  const own = sharedLinks(plan).map(({ name }) => name);
  return [...linksWithHostRoutes()].some((link) => !own.includes(link));
}
