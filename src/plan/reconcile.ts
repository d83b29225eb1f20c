// Makes the host's part of a plan real again and again: only what differs is changed, and what the plan has no longer goes.
// ADD applies a plan once to a namespace that nobody else knows; an overlay is shared, changes under traffic, and is
// harmed by others. What is refused is found out before anything is changed, as far as it can be, and put back else.
import { ipApply } from "../linux/ip.ts";
import type { Kernel } from "../linux/kernel.ts";
import { driverMissing, isDriverMissing } from "../linux/link-drivers.ts";
import { readHostSysctl, writeHostSysctl } from "../linux/sysctl.ts";
import { amendment } from "./amend.ts";
import {
  addressesInTheWay,
  type Change,
  closedPorts,
  type Done,
  linkChanges,
  newDevices,
  objectChanges,
  type Scope,
} from "./changes.ts";
import { overlayUnusable } from "./fault.ts";
import { describeForeign, type ForeignRoute, foreignRoutes, strayRoutes } from "./foreign-routes.ts";
import { putBack } from "./former.ts";
import { type ObservedHost, observeHost } from "./observe-host.ts";
import { type OvsMemory, ovsMemory } from "./ovs/former.ts";
import { applyFlowChanges, reconcileOvs } from "./ovs/reconcile.ts";
import { openPorts, removePeerSets, replacePeerSets, stateAfter } from "./peer-sets.ts";
import { describeObject, type PeerSets, type Plan, type SttSettings } from "./plan.ts";
import { refuseLosses } from "./standing.ts";
import { changeStt, sttPortInUse, sttSettingsOf, sttStateAfter } from "./stt.ts";
import { refuseTakenPort } from "./tunnel-port.ts";

/** A new link is seen in the second round, what a changed one lost in the third, and its addresses may be in the way. */
const rounds = 5;

export interface Reconciled {
  readonly done: readonly Done[];
  /** What could not be made because something of others is in the way, in words; all else is as planned. */
  readonly obstacles: readonly string[];
  /** What of others leads packets to parts of the plan's destinations elsewhere. */
  readonly strays: readonly ForeignRoute[];
}

/** Throws if the host cannot be made so; then it is as it was. */
export async function reconcile(plan: Plan, scope: Scope, kernel: Kernel): Promise<Reconciled> {
  const host = await observeHost(kernel, plan);
  refuseLosses(plan, host, scope);
  await refuseTakenPort(plan, scope, host, kernel);
  const ovs = ovsMemory(scope, kernel);
  try {
    return await change(plan, scope, host, ovs, kernel);
  } catch (error) {
    // Why it failed counts, not what of it could not be taken back either.
    await putBack({ before: host, ovs, failed: plan }, scope, kernel).catch(() => {});
    throw error;
  }
}

async function change(
  plan: Plan,
  scope: Scope,
  before: ObservedHost,
  ovs: OvsMemory,
  kernel: Kernel,
): Promise<Reconciled> {
  // Devices first: to make one fails where its module is missing. One that is up takes packets: the filter before that.
  const devices = [
    ...(await changeSttOf(plan, before, kernel)),
    ...(await run(newDevices(plan, before, scope), plan, kernel)),
  ];
  const host = devices.length === 0 ? before : await observeHost(kernel, plan);
  const wanted = plan.find((object) => object.kind === "peer-sets");
  // Until the tunnels are gone that they keep strangers out of.
  const closed = closedPorts(plan, host, scope);
  const sets = wanted === undefined ? [] : await changePeerSets(wanted, host, kernel, closed);
  const bridges = await reconcileOvs(plan, scope, host, ovs, kernel);
  const since = bridges.length === 0 ? host : await observeHost(kernel);
  const { done, ...rest } = await reconcileObjects(plan, scope, since, kernel);
  if (wanted === undefined) sets.push(...(await dropPeerSets(host, kernel)));
  else if (closed.length > 0) await openPorts(wanted, kernel);
  const isNew = new Set(devices.map(({ what }) => what));
  return {
    ...rest,
    done: [...devices, ...sets, ...bridges, ...done.filter(({ what }) => !isNew.has(what))],
  };
}

/** undefined if the kernel has to be looked at after all. */
export async function amend(before: Plan, after: Plan, kernel: Kernel): Promise<Done[] | undefined> {
  const found = amendment(before, after);
  if (found === undefined || found.before === undefined || found.after === undefined) return undefined;
  const { changes, flows } = found;
  // Whatever becomes of one, the other has ended before anything else is done.
  const [isChanged, faults] = await Promise.all([
    replacePeerSets(found.after, kernel, stateAfter(found.before)).catch(() => undefined),
    changes.length === 0 ? [] : ipApply("host", linesOf(changes), kernel).catch(() => undefined),
  ]);
  if (isChanged === undefined || faults?.length !== 0) return undefined;
  const [known, wanted] = [sttSettingsOf(before), sttSettingsOf(after)];
  const stt = known && wanted ? await changeKnownStt(known, wanted, kernel) : [];
  if (stt === undefined) return undefined;
  const bridges = await applyFlowChanges(flows, kernel).catch(() => undefined);
  if (bridges === undefined) return undefined;
  return [
    ...(isChanged ? [{ what: describeObject(found.after), verb: "changed" } as const] : []),
    ...stt,
    ...bridges,
    ...changes,
  ];
}

async function changeSttOf(plan: Plan, host: ObservedHost, kernel: Kernel): Promise<Done[]> {
  const wanted = sttSettingsOf(plan);
  if (wanted === undefined) return [];
  return changeStt(wanted, host.link("host", wanted.link), host.stts.get(wanted.link), kernel);
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
  read: ObservedHost,
  kernel: Kernel,
): Promise<Reconciled> {
  const done: Done[] = [];
  let host = read;
  for (let round = 0; round < rounds; round++) {
    const links = linkChanges(plan, host);
    const first = links.length > 0 ? links : addressesInTheWay(plan, host, scope);
    if (first.length === 0) {
      done.push(...applySysctls(plan));
      done.push(...(await run(objectChanges(plan, host, scope), plan, kernel)));
      const obstacles = foreignRoutes(plan, host).map(describeForeign);
      return { done, obstacles, strays: strayRoutes(plan, host) };
    }
    done.push(...(await run(first, plan, kernel)));
    host = await observeHost(kernel);
  }
  throw overlayUnusable(
    "the overlay's device is changed by somebody else as fast as podwire puts it right; see who it is",
  );
}

async function changePeerSets(
  wanted: PeerSets,
  { peerSets }: ObservedHost,
  kernel: Kernel,
  closed: readonly number[],
): Promise<Done[]> {
  const isChanged = await replacePeerSets(wanted, kernel, peerSets, closed);
  return isChanged ? [{ what: describeObject(wanted), verb: "changed" }] : [];
}

async function dropPeerSets({ peerSets }: ObservedHost, kernel: Kernel): Promise<Done[]> {
  if (peerSets === undefined) return [];
  const isChanged = await removePeerSets(peerSets, kernel);
  return isChanged ? [{ what: "nftables sets of peers on the host", verb: "removed" }] : [];
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
  const { what, verb, line } = changes[fault.line] ?? {};
  throw (
    sttPortInUse(plan, line ?? "", fault.message) ??
    overlayUnusable(`${what} could not be ${verb}: ${fault.message} (ip ${line})${hint(fault.message, line)}`)
  );
}

function hint(message: string, line = ""): string {
  const [, kind] = /^link add .*\btype ([a-z]+)/.exec(line) ?? [];
  return kind !== undefined && (isDriverMissing(message) || message.includes("Operation not supported"))
    ? `; ${driverMissing(kind)}`
    : "";
}
