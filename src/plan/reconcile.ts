// Makes the host's part of a plan real again and again: only what differs is changed, and what the plan has no longer goes.
// ADD applies a plan once to a namespace that nobody else knows; an overlay is shared, changes under traffic, and is
// harmed by others.
import type { CniError } from "../cni/error.ts";
import { ipApply, ipAsk } from "../linux/ip.ts";
import type { Kernel } from "../linux/kernel.ts";
import { readHostSysctl, writeHostSysctl } from "../linux/sysctl.ts";
import { amendment } from "./amend.ts";
import { type Change, type Done, foreignRoute, linkChanges, objectChanges, type Scope } from "./changes.ts";
import { overlayUnusable } from "./fault.ts";
import type { ObservedRoute } from "./observe.ts";
import { type ObservedHost, observeHost } from "./observe-host.ts";
import { readPeerSets, removePeerSets, replacePeerSets, stateAfter } from "./peer-sets.ts";
import { describeObject, type Plan, type SttSettings } from "./plan.ts";
import { reconcileOvs } from "./reconcile-ovs.ts";
import { changeStt, removeStt, sttSettingsOf, sttStateAfter } from "./stt.ts";

/** A new link is seen in the second round, what a changed one lost in the third. */
const rounds = 4;

/** Returns what was done. Throws before anything is changed if somebody else's route is in the way. */
export async function reconcile(plan: Plan, scope: Scope, kernel: Kernel): Promise<Done[]> {
  const before = await observeHost(kernel, plan);
  refuseForeignRoutes(plan, before);
  // First, for it fails where its module is missing, and what was there until then has to stay as it was.
  const stt = await changeSttOf(plan, before, kernel);
  const host = stt.length === 0 ? before : await observeHost(kernel, plan);
  let sets: Done[] = [];
  try {
    // A device that is up takes packets: the filter before it.
    sets = await changePeerSets(plan, host, kernel);
    const bridges = await reconcileOvs(plan, scope, host, kernel);
    const since = bridges.length === 0 ? host : await observeHost(kernel);
    return [...stt, ...sets, ...bridges, ...(await reconcileObjects(plan, scope, since, kernel))];
  } catch (error) {
    const isFirst = host.peerSets?.filter === undefined && host.peerSets?.prefixes.size === 0;
    if (isFirst && sets.length > 0) await removePeerSets(await readPeerSets(kernel), kernel);
    if (stt.some(({ verb }) => verb === "made")) await removeSttOf(plan, kernel);
    throw error;
  }
}

/** undefined if the kernel has to be looked at after all. */
export async function amend(before: Plan, after: Plan, kernel: Kernel): Promise<Done[] | undefined> {
  const found = amendment(before, after);
  if (found === undefined || found.before === undefined || found.after === undefined) return undefined;
  const { changes } = found;
  const isChanged = await replacePeerSets(found.after, kernel, stateAfter(found.before));
  const [known, wanted] = [sttSettingsOf(before), sttSettingsOf(after)];
  const stt = known && wanted ? await changeKnownStt(known, wanted, kernel) : [];
  if (stt === undefined) return undefined;
  const [fault] = changes.length === 0 ? [] : await ipApply("host", linesOf(changes), kernel);
  if (fault !== undefined) return undefined;
  return [
    ...(isChanged ? [{ what: describeObject(found.after), verb: "changed" } as const] : []),
    ...stt,
    ...changes,
  ];
}

async function changeSttOf(plan: Plan, host: ObservedHost, kernel: Kernel): Promise<Done[]> {
  const wanted = sttSettingsOf(plan);
  if (wanted === undefined) return [];
  return changeStt(wanted, host.link("host", wanted.link), host.stts.get(wanted.link), kernel);
}

async function removeSttOf(plan: Plan, kernel: Kernel): Promise<void> {
  const made = sttSettingsOf(plan);
  if (made !== undefined) await removeStt(made, kernel);
}

/** undefined if the kernel refuses, which then is not as it was known. */
async function changeKnownStt(
  known: SttSettings,
  wanted: SttSettings,
  kernel: Kernel,
): Promise<Done[] | undefined> {
  return changeStt(wanted, undefined, sttStateAfter(known), kernel).catch(() => undefined);
}

function linesOf(changes: readonly Change[]): string[] {
  return changes.map(({ line }) => line);
}

async function reconcileObjects(
  plan: Plan,
  scope: Scope,
  first: ObservedHost,
  kernel: Kernel,
): Promise<Done[]> {
  const done: Done[] = [];
  let host = first;
  for (let round = 0; round < rounds; round++) {
    const links = linkChanges(plan, host);
    if (links.length === 0) {
      done.push(...applySysctls(plan));
      done.push(...(await run(objectChanges(plan, host, scope), plan, kernel)));
      return done;
    }
    done.push(...(await run(links, plan, kernel)));
    host = await observeHost(kernel);
  }
  throw overlayUnusable(
    "the overlay's device is changed by somebody else as fast as podwire puts it right; see who it is",
  );
}

async function changePeerSets(plan: Plan, { peerSets }: ObservedHost, kernel: Kernel): Promise<Done[]> {
  const wanted = plan.find((object) => object.kind === "peer-sets");
  if (wanted === undefined) {
    if (peerSets === undefined) return [];
    const isChanged = await removePeerSets(peerSets, kernel);
    return isChanged ? [{ what: "nftables sets of peers on the host", verb: "removed" }] : [];
  }
  const isChanged = await replacePeerSets(wanted, kernel, peerSets);
  return isChanged ? [{ what: describeObject(wanted), verb: "changed" }] : [];
}

function applySysctls(plan: Plan): Done[] {
  const differing = plan.flatMap((object) =>
    object.kind === "sysctl" && readHostSysctl(object.key) !== object.value ? [object] : [],
  );
  for (const { key, value } of differing) writeHostSysctl(key, value);
  return differing.map((object) => ({ what: describeObject(object), verb: "changed" }));
}

async function run(changes: readonly Change[], plan: Plan, kernel: Kernel): Promise<readonly Change[]> {
  if (changes.length === 0) return [];
  const [fault] = await ipApply("host", linesOf(changes), kernel);
  if (fault === undefined) return changes;
  const undo = changes.slice(0, fault.line).flatMap(({ undo: line }) => line ?? []);
  if (undo.length > 0) await ipApply("host", undo.toReversed(), kernel, true);
  const failed = changes[fault.line];
  throw (
    (await portInUse(failed, fault.message, plan, kernel)) ??
    overlayUnusable(
      `${failed?.what} could not be ${failed?.verb}: ${fault.message} (ip ${failed?.line})${hint(fault.message)}`,
    )
  );
}

function hint(message: string): string {
  return /Unknown device type|not supported/.test(message)
    ? "; this kernel lacks the module of that device"
    : "";
}

/** Two devices that take all packets of a port for themselves exclude each other. */
async function portInUse(
  failed: Change | undefined,
  message: string,
  plan: Plan,
  kernel: Kernel,
): Promise<CniError | undefined> {
  if (!/already in use|already exists|File exists|busy/.test(message)) return undefined;
  const link = plan.find((object) => object.kind === "link" && failed?.line.includes(` ${object.name} `));
  if (link?.kind !== "link" || link.type.kind !== "tunnel") return undefined;
  const { driver, port } = link.type;
  const protocol = driver === "stt" ? "TCP" : "UDP";
  const [answer] = await ipAsk("host", [`link show type ${driver}`], kernel);
  const others = (answer ?? []) as unknown as ObservedHost["links"];
  const holder = others.find(
    ({ ifname, linkinfo }) => ifname !== link.name && linkinfo?.info_data?.port === port,
  );
  const hidden = `or a ${driver} link that was moved to another network namespace as Docker moves those of its overlay networks`;
  const unknown = `another program${driver === "stt" ? "" : `, ${hidden}`}`;
  const who = holder === undefined ? unknown : `the ${driver} link ${holder.ifname}`;
  return overlayUnusable(
    `${protocol} port ${port} is in use by ${who}, so ${link.name} cannot have it: ${message}. Set overlay.port to another one ` +
      "on all nodes, or remove what uses it",
  );
}

function refuseForeignRoutes(plan: Plan, host: ObservedHost): void {
  const foreign = foreignRoute(plan, host);
  if (foreign === undefined) return;
  throw overlayUnusable(
    `${describeObject(foreign.wanted)}: a route that is not podwire's is in the way: ${describeRoute(foreign.found)}; ` +
      "remove it, or take the prefix out of the peers",
  );
}

/** Of include/uapi/linux/rtnetlink.h, those that lead nowhere. */
const deadEnds: Readonly<Record<string, string>> = {
  6: "blackhole",
  7: "unreachable",
  8: "prohibit",
  9: "throw",
};

/** As ip would be told it: "blackhole 10.244.2.0/24 proto 3". */
function describeRoute({ type, dst, gateway, dev, protocol }: ObservedRoute): string {
  const deadEnd = deadEnds[type ?? ""];
  const words = [
    ...(deadEnd === undefined ? [] : [deadEnd]),
    dst,
    ...(gateway === undefined ? [] : [`via ${gateway}`]),
    ...(dev === undefined ? [] : [`dev ${dev}`]),
    `proto ${protocol ?? "unknown"}`,
  ];
  return words.join(" ");
}
