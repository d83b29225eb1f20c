// ADD: claim, address, plan, apply, remember. Whatever fails undoes what came before it.
import { toCniError } from "../cni/error.ts";
import type { Result } from "../cni/result.ts";
import { decodeResult } from "../cni/result-versions.ts";
import { datapathNameOf } from "../config/network.ts";
import { datapathOf, requireSupported } from "../datapath/choice.ts";
import type { AttachmentName, Wired } from "../datapath/datapath.ts";
import { unfiltered } from "../datapath/ipvlan.ts";
import type { IpamResult } from "../ipam/ipam.ts";
import { ipamOf } from "../ipam/registry.ts";
import { dismiss, startAhead } from "../linux/enter.ts";
import { ipBatch } from "../linux/ip.ts";
import type { Kernel } from "../linux/kernel.ts";
import { closeNetns, isNetwork, type Netns, notNetwork, openNetns } from "../linux/netns.ts";
import { switchStart } from "../linux/ovs/identity.ts";
import { bootId, ownIdentity } from "../linux/process.ts";
import { apply, RollbackError } from "../plan/apply.ts";
import type { PodPlan } from "../plan/plan.ts";
import { remove } from "../plan/remove.ts";
import { ensureBypass } from "./bypass.ts";
import { type Call, kernelOf, nameOf, undoKernelOf } from "./call.ts";
import { claim } from "./claim.ts";
import { apartFrom, rememberUnseen } from "./company.ts";
import { type DatapathSettings, datapathSettings } from "./datapath-settings.ts";
import { hostFacts, podMtu } from "./host-facts.ts";
import { refuseOtherPods } from "./ipvlan-master.ts";
import { requirePrograms, requireUnderlay } from "./needs.ts";
import { ensureOverlay, renewOverlay } from "./overlay.ts";
import { requireHearing } from "./ovs/hearing.ts";
import { releaseShared } from "./ovs/shared-flows.ts";
import { noticeLoss, outlastChange, rememberSwitch, repairSwitches } from "./ovs/stamp.ts";
import { stampOf } from "./ovs/stamped.ts";
import { bridgeOf } from "./ovs/switch.ts";
import { refuseTakenMac } from "./ovs/taken-mac.ts";
import { isHeld } from "./ownership.ts";
import { type AttachmentRecord, removeRecord, replaceRecord } from "./record.ts";
import { outlastLinkRemovals } from "./shared-links.ts";
import { chained, dnsOf, requestedMac } from "./wishes.ts";

/** What was found on the host before the attachment was claimed. */
interface Surroundings {
  readonly settings: DatapathSettings;
  readonly overlayMtu: number | undefined;
  /** With the ovs datapath: when ovs-vswitchd was started. */
  readonly switchedAt: string | undefined;
}

export async function add(call: Call): Promise<Result> {
  const previous = previousResult(call);
  requirePrograms(call);
  requireUnderlay(call.config);
  requireSupported(call.config);
  const bridge = call.config.datapath === "ovs" ? bridgeOf(call.config) : undefined;
  if (bridge !== undefined) await requireHearing(call.config, kernelOf(call));
  const known = bridge && stampOf(bridge);
  const switchedAt = bridge && switchStart(bridge.database);
  let overlayMtu = await ensureOverlay(call);
  await ensureBypass(call);
  const settings = await datapathSettings(call, kernelOf(call));
  warnOfMode(settings, call);
  if (settings.ovs !== undefined && noticeLoss(known, settings.ovs)) overlayMtu = await renewOverlay(call);
  const netns = openNetns(call.environment.netns);
  const kernel = kernelOf(call, netns);
  const standby = startAhead([ipBatch("host"), ipBatch("pod")], kernel);
  try {
    const record = newRecord(call, netns);
    await claim(record, call);
    return await wire(record, { ...kernel, standby }, previous, call, { settings, overlayMtu, switchedAt });
  } finally {
    await dismiss(standby);
    closeNetns(netns);
  }
}

function warnOfMode({ ipvlan }: DatapathSettings, { log }: Call): void {
  const unseen = ipvlan === undefined ? undefined : unfiltered(ipvlan.mode);
  if (unseen === undefined) return;
  log.warn(`ipvlan mode ${ipvlan?.mode}: ${unseen}, so Services do not work; l3s has them`);
}

async function wire(
  claimed: AttachmentRecord,
  kernel: Kernel,
  previous: Result | undefined,
  call: Call,
  surroundings: Surroundings,
): Promise<Result> {
  const ipam = ipamOf(call.config.ipam.type);
  const undoKernel = undoKernelOf(call, kernel.pod);
  let planned: PodPlan = [];
  const undo: (() => Promise<void>)[] = [
    () => releaseShared(planned, undoKernel),
    async () => removeRecord(claimed),
  ];
  const { settings, switchedAt } = surroundings;
  try {
    const addresses = await ipam.add(call);
    undo.push(() => ipam.del({ ...call, deadline: call.undoDeadline }));
    const wired = planOf(claimed, addresses, call, surroundings);
    const { plan, interfaces, ips } = wired;
    planned = plan;
    const record = { ...claimed, plan, interfaces, ips, leased: addresses.ips };
    replaceRecord(record);
    // Another ADD may have chosen another mode, or the same MAC, since this one looked; each sees the other's record.
    if (settings.ipvlan !== undefined) refuseOtherPods(settings.ipvlan);
    if (requestedMac(call) !== undefined) refuseTakenMac(record);
    rememberUnseen(plan);
    for (const why of apartFrom(plan)) call.log.warn(`pods do not reach each other: ${why}`);
    await outlastLinkRemovals(plan, call.deadline);
    await apply(plan, kernel, undoKernel);
    undo.push(() => remove(plan, undoKernel));
    // Before the record says that all is done: a repeated ADD would be refused.
    if (settings.ovs !== undefined) await rememberSwitch(settings.ovs, kernel);
    await repairSwitches(call);
    const ready = { ...record, state: "ready" } as const;
    replaceRecord(ready);
    undo.push(async () => unready(ready, record, call));
    if (settings.ovs !== undefined) await outlastChange(ready, settings.ovs, switchedAt, call);
    return chained(previous, wired, dnsOf(call, addresses.dns));
  } catch (error) {
    // What apply could not take back must stay recorded, with its address.
    if (!(error instanceof RollbackError)) await rollBack(undo, call);
    throw kernel.pod === undefined || isNetwork(kernel.pod) ? error : notNetwork(kernel.pod);
  }
}

/** What is taken back is not to be repaired, and gives its address away. That can be done without, too: on a full disk, say. */
function unready(ready: AttachmentRecord, record: AttachmentRecord, { log }: Call): void {
  try {
    if (isHeld(ready)) replaceRecord(record);
  } catch (error) {
    log.warn(`its record stays as that of a wired one until it is removed: ${toCniError(error).details}`);
  }
}

/** Last done, first undone. What cannot be undone stays recorded for DEL and GC. */
async function rollBack(undo: readonly (() => Promise<void>)[], call: Call): Promise<void> {
  for (const step of undo.toReversed()) {
    try {
      await step();
    } catch (error) {
      call.log.error(
        `rollback stopped, DEL will finish it: ${error instanceof Error ? error.message : error}`,
      );
      return;
    }
  }
}

function planOf(
  name: AttachmentName,
  addresses: IpamResult,
  call: Call,
  { settings, overlayMtu }: Surroundings,
): Wired {
  const mac = requestedMac(call);
  const wantsIpv6 = addresses.ips.some(({ address }) => address.includes(":"));
  return datapathOf(call.config).wire({
    network: name.network,
    containerID: name.containerID,
    ifname: name.ifname,
    sandbox: call.environment.netns,
    ...(mac === undefined ? {} : { mac }),
    mtu: podMtu(call.config, overlayMtu),
    ips: addresses.ips,
    routes: addresses.routes,
    ipMasq: call.config.ipMasq ?? false,
    host: hostFacts(wantsIpv6),
    ...settings,
  });
}

function newRecord(call: Call, netns: Netns): AttachmentRecord {
  const { podName, podNamespace, podUid } = call.args;
  const { prevResult: _, ...rawConfig } = call.rawConfig;
  return {
    format: 1,
    ...nameOf(call),
    state: "adding",
    writer: ownIdentity(),
    bootId: bootId(),
    createdAt: new Date().toISOString(),
    netns: { path: netns.path, identity: netns.identity },
    datapath: datapathNameOf(call.config),
    pod: {
      ...(podName === undefined ? {} : { name: podName }),
      ...(podNamespace === undefined ? {} : { namespace: podNamespace }),
      ...(podUid === undefined ? {} : { uid: podUid }),
    },
    // With the node's default, if the conflist has none: it bounds how long this ADD can take.
    rawConfig: {
      ...rawConfig,
      ...(call.config.timeout === undefined ? {} : { timeout: call.config.timeout }),
    },
    args: call.environment.args,
    plan: [],
    interfaces: [],
    ips: [],
    leased: [],
  };
}

function previousResult({ config, version }: Call): Result | undefined {
  if (config.prevResult === undefined || config.prevResult === null) return undefined;
  return decodeResult(config.prevResult, version, "prevResult");
}
