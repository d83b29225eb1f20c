// Puts live attachments right: what `podwire apply` does for all of a node.
import { toCniError } from "../cni/error.ts";
import type { AttachmentName } from "../datapath/datapath.ts";
import type { Kernel } from "../linux/kernel.ts";
import { closeNetns, openNetns } from "../linux/netns.ts";
import { mend } from "../plan/mend.ts";
import { remove } from "../plan/remove.ts";
import { planToKeep } from "./chained-changes.ts";
import { hasNetns } from "./liveness.ts";
import { type AttachmentRecord, allRecords, readRecord, wholeRecords } from "./record.ts";

export interface Repair {
  readonly name: AttachmentName;
  /** What was not as it was made, and is now. */
  readonly mended: readonly string[];
  /** Why something still is not. */
  readonly fault?: string;
}

/** Few at a time: each is several programs. */
const atOnce = 4;

/** Attachments that are wired, of pods that live. */
export function liveAttachments(stored = allRecords()): AttachmentRecord[] {
  return wholeRecords(stored).filter((record) => record.state === "ready" && hasNetns(record));
}

/** Of the attachments those with something to say. Never throws. */
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
    const inside = { ...kernel, pod };
    try {
      const mended = await mend(record.plan, planToKeep(record.plan), inside);
      // A DEL of the same moment must not leave what this made.
      if (mended.length > 0 && !isStillThere(record)) await remove(record.plan, inside);
      return { name, mended };
    } finally {
      closeNetns(pod);
    }
  } catch (error) {
    return { name, mended: [], ...(isStillThere(record) ? { fault: toCniError(error).details } : {}) };
  }
}

function isStillThere(record: AttachmentRecord): boolean {
  const stored = readRecord(record);
  return stored !== undefined && stored !== "torn" && stored.createdAt === record.createdAt;
}
