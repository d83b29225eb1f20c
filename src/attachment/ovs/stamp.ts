// Tells whether Open vSwitch has been restarted, which loses flows and internal ports, or its bridge has another MAC, and has
// its pods repaired then.
import { CniError, ErrorCode, toCniError } from "../../cni/error.ts";
import type { Kernel } from "../../linux/kernel.ts";
import { macOf, switchIdentity, switchStart } from "../../linux/ovs/identity.ts";
import { type BridgeName, isSameBridge } from "../../linux/ovs/ovs.ts";
import { sinceBoot } from "../../linux/process.ts";
import type { Log } from "../../log.ts";
import type { BridgeInUse } from "../../plan/ovs/bridge.ts";
import { type Call, kernelOf } from "../call.ts";
import { liveAttachments } from "../liveness.ts";
import { type AttachmentRecord, recordFile } from "../record.ts";
import { asOnlyRepairer, ifOnlyRepairer, repairAttachments } from "../repair.ts";
import { allStamps, noIdentity, type Stamp, stampOf, writeStamp } from "./stamped.ts";
import { bridgeOf, bridgeRow } from "./switch.ts";

/** What passes by itself is over at the next call; what does not must not cost each one the work of a repair. */
const longestPause = 60;

/** Pauses are as long as it has been so. */
function isDue({ unmended }: Stamp): boolean {
  if (unmended === undefined) return false;
  const { since, triedAt } = unmended;
  return sinceBoot() - triedAt >= Math.min(triedAt - since, longestPause);
}

/**
 * For a verb of any datapath, as the node may have had another one before: repairs the pods of all bridges that have one. Where
 * there are none that is a look into an empty directory. What is not the call's own business does not make it fail.
 */
export async function repairSwitches(call: Call): Promise<void> {
  const { config, log } = call;
  const own = config.datapath === "ovs" ? [bridgeOf(config)] : [];
  const others = restartedSwitches().filter((at) => !own.some((each) => isSameBridge(each, at)));
  for (const at of [...own, ...others]) {
    try {
      await repairAfterRestart(at, kernelOf(call), log);
    } catch (error) {
      log.warn(`pods of bridge ${at.bridge} cannot be repaired: ${toCniError(error).details}`);
    }
  }
}

/**
 * For an ADD that is done. `start`: of ovs-vswitchd, from before it looked. If that was started again since, whoever repaired the
 * bridge's pods left this one out. If the bridge has another MAC than the one that it was told to have, or that the database said, this
 * one's flows have the wrong one, and with it those of all pods. Throws code 11 if it cannot be repaired.
 */
export async function outlastChange(
  record: AttachmentRecord,
  { at, localMac }: Pick<BridgeInUse, "at" | "localMac">,
  start: string | undefined,
  call: Call,
): Promise<void> {
  if (switchStart(at.database) === start && (macOf(at.bridge) ?? localMac) === localMac) return;
  const kernel = kernelOf(call);
  const [repair] = await asOnlyRepairer(kernel, () => repairAttachments([record], kernel));
  if (repair?.fault === undefined) return;
  const details = `not all of the pod can be made again: ${repair.fault}; try again`;
  throw new CniError(ErrorCode.tryAgainLater, "Open vSwitch was restarted or changed meanwhile", details);
}

/**
 * For an ADD that found the bridge, or none. `before`: what was known before it looked. Returns whether it is another one than pods were
 * wired to, which the next repair puts right; ovs-vswitchd need not have seen anything of it.
 */
export function noticeLoss(before: Stamp | undefined, { row }: Pick<BridgeInUse, "row">): boolean {
  if (before === undefined || before.row === row) return false;
  writeStamp({ ...before, identity: noIdentity });
  return true;
}

/** For an ADD that is done: no other pods, no repair. `row`: the bridge's when it looked, if there was one. */
export async function rememberSwitch(
  { at, row }: Pick<BridgeInUse, "at" | "row">,
  kernel: Kernel,
): Promise<void> {
  const identity = switchIdentity(at);
  if (identity === undefined || stampOf(at)?.identity === identity || podsOf(at).length > 0) return;
  writeStamp({ ...at, identity, row: row ?? (await rowNow(at, kernel)) });
}

/**
 * Repairs the bridge's pods if its ovs-vswitchd is another one than the last time that somebody looked; else those that could not be
 * repaired then, if it is time. A file says which they are; without it the next call looks at all. Returns false, and has done nothing, if
 * somebody repairs pods already: who has other business does not wait for that.
 */
export async function repairAfterRestart(
  at: BridgeName,
  kernel: Kernel,
  log: Pick<Log, "warn">,
): Promise<boolean> {
  if (dueRepair(at) === undefined) return true;
  return ifOnlyRepairer(kernel, async () => {
    // Another one may have done it meanwhile.
    const due = dueRepair(at);
    if (due !== undefined) await repairPods(at, due, kernel, log);
  });
}

interface DueRepair {
  readonly identity: string;
  readonly records: readonly AttachmentRecord[];
  /** When they were found first to be without repair. */
  readonly since: number | undefined;
}

function dueRepair(at: BridgeName): DueRepair | undefined {
  const identity = switchIdentity(at);
  const stamp = stampOf(at);
  const known = stamp?.identity === identity ? stamp : undefined;
  if (identity === undefined || (known !== undefined && !isDue(known))) return undefined;
  const { pods, since } = known?.unmended ?? {};
  const records = podsOf(at).filter((record) => pods?.includes(recordFile(record)) ?? true);
  return records.length === 0 && known === undefined ? undefined : { identity, records, since };
}

/** No bridge's row, so that the next ADD has all looked at again. */
const unknown = "unknown";

/** Where Open vSwitch does not answer nobody fails for it. */
function rowNow(at: BridgeName, kernel: Kernel): Promise<string> {
  return bridgeRow(at, kernel).catch(() => unknown);
}

async function repairPods(
  at: BridgeName,
  { identity, records, since }: DueRepair,
  kernel: Kernel,
  log: Pick<Log, "warn">,
): Promise<void> {
  const before = await rowNow(at, kernel);
  const repairs = await repairAttachments(records, kernel);
  for (const { name, mended, fault } of repairs) {
    const what = fault === undefined ? `made again: ${mended.join(", ")}` : `cannot be repaired: ${fault}`;
    log.warn(
      `after a restart or change of Open vSwitch: container ${name.containerID}, ${name.ifname}: ${what}`,
    );
  }
  const failed = repairs.filter(({ fault }) => fault !== undefined).map(({ name }) => recordFile(name));
  const triedAt = sinceBoot();
  const unmended = { pods: failed, since: since ?? triedAt, triedAt };
  const row = before === unknown ? unknown : await rowNow(at, kernel);
  // One that was taken away meanwhile has lost them again.
  const isSame = before === "" || row === before;
  const { database, bridge } = at;
  writeStamp({
    ...{ database, bridge, row, identity: isSame ? identity : noIdentity },
    ...(failed.length === 0 ? {} : { unmended }),
  });
}

function podsOf(at: BridgeName): AttachmentRecord[] {
  return liveAttachments().filter(({ plan }) =>
    plan.some((object) => object.kind === "ovs-port" && isSameBridge(object, at)),
  );
}

/** Bridges with pods to repair, and by which ovs-vswitchd: another one than was seen last, or one that may not fail any more. */
export function restartedSwitches(): Stamp[] {
  return allStamps().flatMap((stamp) => {
    const identity = switchIdentity(stamp);
    if (identity === undefined) return [];
    const isOther = identity !== stamp.identity;
    return isOther || isDue(stamp) ? { ...stamp, identity } : [];
  });
}
