// Links of the host that many attachments use: made by the first ADD, removed by the last DEL or GC, without a lock.
//
// An ADD writes its record, waits until announced removals are over, and then makes the link and its routes. A
// removal is announced, then looks for records, then removes the link. So either the removal sees the record and
// leaves the link alone, or the ADD sees the announcement and waits.
import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CniError, ErrorCode } from "../cni/error.ts";
import { hostSlavePattern, hostVlanPattern } from "../datapath/names.ts";
import { makeDirectory } from "../linux/files.ts";
import { ipApply, ipAsk } from "../linux/ip.ts";
import type { Kernel } from "../linux/kernel.ts";
import { hostLinkExists, hostLinkNames, linksWithHostRoutes } from "../linux/links.ts";
import { endOrphans } from "../linux/orphans.ts";
import { OvsDownError } from "../linux/ovs.ts";
import {
  formatIdentity,
  isRunning,
  ownIdentity,
  type ProcessIdentity,
  parseIdentity,
} from "../linux/process.ts";
import { isClaimed } from "../node/claimed-bridge.ts";
import { routeProtocol } from "../plan/ip-lines.ts";
import { type Link, type Plan, sharedLinks } from "../plan/plan.ts";
import { idleBridges, removeShared } from "../plan/shared.ts";
import { listDirectory, recordedPlans, stateDirectory } from "./record.ts";
import { forgetSwitch } from "./stamped-switches.ts";

/** Its name is none that a network can have. */
const announcements = path.join(stateDirectory, ".removing-links");

/** For an ADD whose record has its plan: from here on no removal takes the plan's shared links away. */
export async function outlastLinkRemovals(plan: Plan, deadline: AbortSignal): Promise<void> {
  for (const { name } of sharedLinks(plan)) {
    await forgetTheDead(name, deadline);
    while (isRemovalAnnounced(name)) {
      if (deadline.aborted) throw busy(name);
      await sleep(5);
    }
  }
}

function busy(link: string): CniError {
  const details = `link ${link} is being removed by another call; try again`;
  return new CniError(ErrorCode.tryAgainLater, "a shared link is busy", details);
}

/** Removes those of the plan's shared links that no attachment needs any more. */
export async function releaseSharedLinks(plan: Plan, kernel: Kernel): Promise<void> {
  // What stands on another link goes first.
  for (const link of sharedLinks(plan).toReversed()) await release(link, plan, kernel);
}

/**
 * The same for all of this node, also of attachments whose record was lost: for GC. `database`: of Open vSwitch, if
 * its bridges are to be looked at.
 */
export async function releaseUnusedLinks(kernel: Kernel, database?: string): Promise<void> {
  const bridges = database === undefined ? [] : await bridgeLinks(database, kernel);
  for (const link of [...patternLinks(), ...bridges]) {
    await removeStrayRoutes(link.name, kernel);
    await release(link, [], kernel);
  }
  for (const name of announcedLinks()) await forgetTheDead(name, kernel.deadline);
}

/** Bridges that podwire made and nobody needs any more. */
export async function releaseBridges(database: string, kernel: Kernel): Promise<void> {
  for (const link of await bridgeLinks(database, kernel)) await release(link, [], kernel);
}

/** Of removals that are under way, or were when their process died. */
function announcedLinks(): Set<string> {
  return new Set(listDirectory(announcements).map((entry) => entry.slice(0, entry.lastIndexOf("."))));
}

function patternLinks(): Link[] {
  const names = hostLinkNames().filter((name) => hostSlavePattern.test(name) || hostVlanPattern.test(name));
  // All of them are removed alike, whatever their master.
  return names.map((name) => sharedLink(name, { kind: "vlan", master: "", id: 0 }));
}

async function bridgeLinks(database: string, kernel: Kernel): Promise<Link[]> {
  const bridges = await idleBridges(database, kernel).catch((error: unknown) => {
    // Which GC says when it looks for ports.
    if (error instanceof OvsDownError) return [];
    throw error;
  });
  return bridges.map((bridge) => sharedLink(bridge, { kind: "ovs", bridge: { database, bridge } }));
}

function sharedLink(name: string, type: Link["type"]): Link {
  return { kind: "link", where: "host", name, shared: true, type };
}

/** Routes of no record. They are read first: an ADD writes its record before it makes its routes. */
async function removeStrayRoutes(link: string, kernel: Kernel): Promise<void> {
  const [routes] = await ipAsk("host", [`route show table all dev ${link}`], kernel);
  const own = (routes ?? []) as { dst?: string; protocol?: string }[];
  const plans = recordedPlans();
  if (plans === undefined) return;
  const planned = new Set(plans.flat().flatMap((object) => (object.kind === "route" ? object.dst : [])));
  const stray = own
    .filter(({ protocol }) => protocol === String(routeProtocol))
    .flatMap(({ dst }) => dst ?? [])
    .filter((dst) => !planned.has(dst.includes(":") ? `${dst}/128` : `${dst}/32`));
  if (stray.length === 0) return;
  const lines = stray.map((dst) => `route delete ${dst} dev ${link} proto ${routeProtocol}`);
  await ipApply("host", lines, kernel, true);
}

async function release(link: Link, plan: Plan, kernel: Kernel): Promise<void> {
  // A bridge may be in Open vSwitch's database and nowhere else.
  if (!hostLinkExists(link.name) && link.type.kind !== "ovs") return;
  // Every pod has a route on it, so that this is the end for all but the last.
  if (linksWithHostRoutes().has(link.name)) return;
  await forgetTheDead(link.name, kernel.deadline);
  const announcement = announce(link.name);
  try {
    if (!isNeeded(link.name)) {
      const isOverlays = link.type.kind === "ovs" && isClaimed(link.type.bridge);
      await removeShared(link, isOverlays, plan, kernel);
      if (link.type.kind === "ovs") forgetSwitch(link.type.bridge);
    }
  } finally {
    fs.rmSync(announcement, { force: true });
  }
}

function isNeeded(link: string): boolean {
  const plans = recordedPlans();
  return plans === undefined || plans.some((plan) => sharedLinks(plan).some(({ name }) => name === link));
}

function announce(link: string): string {
  makeDirectory(announcements, 0o700);
  const file = path.join(announcements, `${link}.${formatIdentity(ownIdentity())}`);
  fs.writeFileSync(file, "");
  return file;
}

function isRemovalAnnounced(link: string): boolean {
  return removersOf(link).some(({ isAlive }) => isAlive);
}

/** Ends what the dead have left running, so that what they announced does not happen any more. */
async function forgetTheDead(link: string, deadline: AbortSignal): Promise<void> {
  for (const { file, identity, isAlive } of removersOf(link)) {
    if (isAlive) continue;
    await endOrphans(identity, deadline);
    fs.rmSync(file, { force: true });
  }
}

interface Remover {
  readonly file: string;
  readonly identity: ProcessIdentity;
  readonly isAlive: boolean;
}

function removersOf(link: string): Remover[] {
  const entries = listDirectory(announcements).filter((entry) => entry.startsWith(`${link}.`));
  return entries.map((entry) => {
    const file = path.join(announcements, entry);
    const identity = parseIdentity(entry.slice(link.length + 1));
    return { file, identity, isAlive: isRunning(identity) ?? isRecent(file) };
  });
}

/** Of a process in another pid namespace only the time can tell. */
function isRecent(file: string): boolean {
  return Date.now() - (fs.statSync(file, { throwIfNoEntry: false })?.ctimeMs ?? 0) < 10_000;
}
