// Links of the host that many attachments use: made by the first ADD, removed by the last DEL or GC, without a lock.
//
// An ADD writes its record, waits until announced removals are over, and then makes the link and its routes. A
// removal is announced, then looks for records, then removes the link. So either the removal sees the record and
// leaves the link alone, or the ADD sees the announcement and waits.
import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { withLength } from "../address/ip.ts";
import { CniError, ErrorCode } from "../cni/error.ts";
import { gatewayMac } from "../datapath/host-side.ts";
import { hostSlavePattern, hostVlanPattern } from "../datapath/names.ts";
import { makeDirectory } from "../linux/files.ts";
import { ipApply, ipAsk } from "../linux/ip.ts";
import type { Kernel } from "../linux/kernel.ts";
import { hostLinkExists, hostLinkNames, linksWithHostRoutes } from "../linux/links.ts";
import { endOrphans } from "../linux/orphans.ts";
import { OvsDownError } from "../linux/ovs/ovs.ts";
import {
  formatIdentity,
  isRunning,
  ownIdentity,
  type ProcessIdentity,
  parseIdentity,
} from "../linux/process.ts";
import { isClaimed } from "../node/claimed-bridge.ts";
import { forgettingLine, routeProtocol } from "../plan/ip-lines.ts";
import { isOfOthers } from "../plan/ovs/bridge.ts";
import { type Link, type Plan, type PodPlan, type Route, sharedLinks } from "../plan/plan.ts";
import { ownBridges, removeShared } from "../plan/shared.ts";
import { forgetSwitch } from "./ovs/stamped.ts";
import { listDirectory, recordedPlans, stateDirectory } from "./record.ts";

/** Its name is none that a network can have. */
const announcements = path.join(stateDirectory, ".removing-links");

/** For an ADD whose record has its plan: from here on no removal takes the plan's shared links away. */
export async function outlastLinkRemovals(plan: Plan, deadline: AbortSignal): Promise<void> {
  for (const { name } of sharedLinks(plan)) {
    await forgetTheDead(name, deadline);
    while (removersOf(name).length > 0) {
      if (deadline.aborted) throw busy(name);
      await sleep(5);
      await forgetTheDead(name, deadline);
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
 * The same for all of this node, also of attachments whose record was lost. `database`: of Open vSwitch, if its bridges are to be
 * looked at.
 */
export async function releaseUnusedLinks(kernel: Kernel, database?: string): Promise<void> {
  await releaseUnused(await bridgesIn(database, kernel), kernel);
}

/** The same for GC: first the routes of no record go, and neighbours with them, from all shared links. */
export async function sweepSharedLinks(kernel: Kernel, database?: string): Promise<void> {
  const bridges = await bridgesIn(database, kernel);
  await removeStrayRoutes(bridges, kernel);
  await releaseUnused(bridges, kernel);
}

async function releaseUnused(bridges: readonly Bridge[], kernel: Kernel): Promise<void> {
  for (const link of [...patternLinks(), ...idleLinks(bridges)]) await release(link, [], kernel);
  for (const name of announcedLinks()) await forgetTheDead(name, kernel.deadline);
}

async function removeStrayRoutes(bridges: readonly Bridge[], kernel: Kernel): Promise<void> {
  const links = [...patternLinks(), ...bridges.map(({ link }) => link)];
  const planned = (recordedPlans() ?? []).flatMap(sharedLinks);
  const names = [...links, ...planned].map(({ name }) => name).filter(hostLinkExists);
  const lines = await strayLines([...new Set(names)], kernel);
  if (lines.length > 0) await ipApply("host", lines, kernel, true);
}

/** What an attachment without a record has on links that others use. */
export function onSharedLinks(addresses: readonly string[], bridge: string): PodPlan {
  // ipvlan's host has two of IPv4 (datapath/ipvlan.ts).
  const on = (link: string) =>
    addresses.flatMap((address): Route[] => {
      const route = { kind: "route", where: "host", link, dst: withLength(address) } as const;
      return [route, { ...route, priority: 1 }];
    });
  const known = addresses.map(
    (address) => ({ kind: "neighbour", where: "host", link: bridge, address, mac: gatewayMac }) as const,
  );
  const links = [...patternLinks(), sharedLink(bridge, { kind: "vlan", master: "", id: 0 })];
  return [...links.flatMap((link) => [link, ...on(link.name)]), ...known];
}

/** Bridges that podwire made and nobody needs any more. */
export async function releaseBridges(database: string, kernel: Kernel): Promise<void> {
  for (const link of idleLinks(await bridgesIn(database, kernel))) await release(link, [], kernel);
}

/** Of removals that are under way, or were when their process died. */
function announcedLinks(): Set<string> {
  return new Set(listDirectory(announcements).map(linkOf));
}

function patternLinks(): Link[] {
  const names = hostLinkNames().filter((name) => hostSlavePattern.test(name) || hostVlanPattern.test(name));
  // All of them are removed alike, whatever their master.
  return names.map((name) => sharedLink(name, { kind: "vlan", master: "", id: 0 }));
}

/** One that podwire made. */
interface Bridge {
  readonly link: Link;
  readonly isIdle: boolean;
}

async function bridgesIn(database: string | undefined, kernel: Kernel): Promise<Bridge[]> {
  if (database === undefined) return [];
  const bridges = await ownBridges(database, kernel).catch((error: unknown) => {
    // Which GC says when it looks for ports.
    if (error instanceof OvsDownError) return [];
    throw error;
  });
  return bridges.map(({ name, isIdle }) => {
    return { link: sharedLink(name, { kind: "ovs", bridge: { database, bridge: name } }), isIdle };
  });
}

function idleLinks(bridges: readonly Bridge[]): Link[] {
  return bridges.flatMap(({ link, isIdle }) => (isIdle ? link : []));
}

function sharedLink(name: string, type: Link["type"]): Link {
  return { kind: "link", where: "host", name, shared: true, type };
}

/** Routes are read before the records: an ADD writes its record before it makes its routes. */
async function strayLines(links: readonly string[], kernel: Kernel): Promise<string[]> {
  const questions = links.flatMap((link) => [
    `route show table all dev ${link}`,
    `neighbour show dev ${link} nud permanent`,
  ]);
  const answers = links.length === 0 ? [] : await ipAsk("host", questions, kernel);
  const plans = recordedPlans();
  if (plans === undefined) return [];
  const planned = new Set(plans.flat().flatMap((object) => (object.kind === "route" ? object.dst : [])));
  return links.flatMap((link, index) => {
    const [routes = [], neighbours = []] = answers.slice(2 * index, 2 * index + 2);
    const stray = (routes as { dst?: string; protocol?: string }[])
      .filter(({ protocol }) => protocol === String(routeProtocol))
      .flatMap(({ dst }) => dst ?? [])
      .filter((dst) => !planned.has(withLength(dst)));
    const known = (neighbours as { dst?: string }[]).flatMap(({ dst }) => dst ?? []);
    return [
      ...stray.map((dst) => `route delete ${dst} dev ${link} proto ${routeProtocol}`),
      ...known.filter((dst) => stray.includes(dst)).map((dst) => forgettingLine(dst, link)),
    ];
  });
}

async function release(link: Link, plan: Plan, kernel: Kernel): Promise<void> {
  // A bridge may be in Open vSwitch's database and nowhere else.
  if (!hostLinkExists(link.name) && link.type.kind !== "ovs") return;
  // Every pod has a route on it, so that this is the end for all but the last. On a bridge of others the host may have more.
  const isTheirs = link.type.kind === "ovs" && isOfOthers(plan, link.type.bridge);
  if (!isTheirs && linksWithHostRoutes().has(link.name)) return;
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

/** Workers of one process may remove the same link at once, and each takes its own announcement back. */
let announced = 0;

function announce(link: string): string {
  makeDirectory(announcements, 0o700);
  const file = path.join(announcements, `${link}.${formatIdentity(ownIdentity())}-${announced++}`);
  fs.writeFileSync(file, "");
  return file;
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
  const entries = listDirectory(announcements).filter((entry) => linkOf(entry) === link);
  return entries.map((entry) => {
    const file = path.join(announcements, entry);
    const identity = parseIdentity(entry.slice(link.length + 1));
    return { file, identity, isAlive: isRunning(identity) ?? isRecent(file) };
  });
}

/** Names of bridges may have dots. */
function linkOf(announcement: string): string {
  return announcement.slice(0, announcement.lastIndexOf("."));
}

/** Of a process in another pid namespace only the time can tell. */
function isRecent(file: string): boolean {
  return Date.now() - (fs.statSync(file, { throwIfNoEntry: false })?.ctimeMs ?? 0) < 10_000;
}
