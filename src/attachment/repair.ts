// Puts live attachments right: what `podwire apply` does for all of a node.
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CniError, ErrorCode, toCniError } from "../cni/error.ts";
import type { AttachmentName } from "../datapath/datapath.ts";
import { makeDirectory, runDirectory } from "../linux/files.ts";
import type { Kernel } from "../linux/kernel.ts";
import { withFreeLock, withLock } from "../linux/lock.ts";
import { closeNetns, openNetns } from "../linux/netns.ts";
import { mend } from "../plan/mend.ts";
import { observe } from "../plan/observe.ts";
import { remove } from "../plan/remove.ts";
import { describeDifference, verify } from "../plan/verify.ts";
import { minusClaimed, putBackClaimed } from "./by-address.ts";
import { planToKeep } from "./chained-changes.ts";
import { releaseShared } from "./ovs/shared-flows.ts";
import { type AttachmentRecord, readRecord, type StoredRecord } from "./record.ts";

export interface Repair {
  readonly name: AttachmentName;
  /** What was not as it was made, and is now. */
  readonly mended: readonly string[];
  /** Why something still is not. */
  readonly fault?: string;
}

/** Few at a time: each is several programs. */
const atOnce = 4;

const lockFile = path.join(runDirectory, "repair.lock");

/**
 * For what finds out whom to repair, and does it: of two at once one would take for lost what the other has just made, and a
 * link that is not where it was seen cannot be had back.
 */
export async function asOnlyRepairer<T>(kernel: Kernel, work: () => Promise<T>): Promise<T> {
  makeDirectory(runDirectory, 0o700);
  return withLock(lockFile, kernel, work);
}

/** The same if there is no other one now. Returns whether. */
export async function ifOnlyRepairer(kernel: Kernel, work: () => Promise<void>): Promise<boolean> {
  makeDirectory(runDirectory, 0o700);
  return withFreeLock(lockFile, kernel, work);
}

/** Of the attachments those with something to say. Never throws. For the only repairer. */
export async function repairAttachments(
  records: readonly AttachmentRecord[],
  kernel: Kernel,
): Promise<Repair[]> {
  const waiting = [...records];
  const repairs: Repair[] = [];
  const work = async () => {
    for (let record = waiting.pop(); record !== undefined; record = waiting.pop()) {
      repairs.push(await repair(record, kernel));
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return repairs.filter(({ mended, fault }) => mended.length > 0 || fault !== undefined);
}

async function repair(record: AttachmentRecord, kernel: Kernel): Promise<Repair> {
  const { network, containerID, ifname } = record;
  const name = { network, containerID, ifname };
  try {
    const pod = openNetns(record.netns.path);
    try {
      const mended = await mendOrTakeBack(record, { ...kernel, pod });
      if (mended.length === 0) return { name, mended };
      const now = readRecord(record);
      // A DEL and an ADD of the same moment: what was made by the old plan has the new one's names.
      return isAnother(now, record) ? await repair(now, kernel) : { name, mended };
    } finally {
      closeNetns(pod);
    }
  } catch (error) {
    return { name, mended: [], ...(isStillThere(record) ? { fault: toCniError(error).details } : {}) };
  }
}

async function mendOrTakeBack(record: AttachmentRecord, kernel: Kernel): Promise<readonly string[]> {
  let mended: readonly string[] | undefined;
  try {
    mended = await mend(record.plan, planToKeep(record.plan), kernel);
    if (mended.length > 0 && isStillThere(record)) await confirm(record, kernel);
    return mended;
  } finally {
    // A DEL, or the rollback of an ADD, of the same moment must not leave what this made.
    if (mended?.length !== 0 && isGone(readRecord(record), record)) await takeBack(record, kernel);
  }
}

async function takeBack(record: AttachmentRecord, kernel: Kernel): Promise<void> {
  const { plan } = record;
  await remove(minusClaimed(plan, record), kernel);
  // What cannot be is for the repair, or the CHECK, of the one that has it.
  await putBackClaimed(plan, kernel).catch(() => {});
  await releaseShared(plan, kernel);
}

/** Links and Open vSwitch take a moment to be what they were told to be. */
const patienceMs = [0, 100, 400, 1500];

/** Throws if it is not as it was made, for what no command changes: only to add the pod again makes that. */
async function confirm({ plan }: AttachmentRecord, kernel: Kernel): Promise<void> {
  const wanted = planToKeep(plan);
  let differences = "";
  for (const pause of patienceMs) {
    await sleep(pause);
    const found = verify(wanted, await observe(wanted, kernel));
    if (found.length === 0) return;
    differences = found.map(describeDifference).join("; ");
  }
  throw new CniError(
    ErrorCode.kernelRefused,
    "not all can be put right",
    `${differences}; recreate the pod, or DEL and ADD the attachment`,
  );
}

function isStillThere(record: AttachmentRecord): boolean {
  const stored = readRecord(record);
  return stored !== undefined && stored !== "torn" && stored.createdAt === record.createdAt;
}

function isGone(stored: StoredRecord, { createdAt }: AttachmentRecord): boolean {
  if (stored === undefined || stored === "torn") return stored === undefined;
  return stored.createdAt === createdAt && stored.state === "adding";
}

function isAnother(stored: StoredRecord, { createdAt }: AttachmentRecord): stored is AttachmentRecord {
  if (stored === undefined || stored === "torn") return false;
  return stored.createdAt !== createdAt && stored.state === "ready";
}
