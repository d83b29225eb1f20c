// An ADD's claim on its attachment: the record that no other call has, after what a dead one of the same name left is cleared away.
import { CniError, ErrorCode } from "../cni/error.ts";
import type { AttachmentName } from "../datapath/datapath.ts";
import type { Kernel } from "../linux/kernel.ts";
import { type Call, describeAttachment, kernelOf } from "./call.ts";
import { hasHostLinks, hasNetns, hasPorts } from "./liveness.ts";
import { isHeld, removalsOf } from "./ownership.ts";
import { type AttachmentRecord, createRecord, removeRecord } from "./record.ts";
import { unwireClaim, unwireRecorded } from "./unwire.ts";

/** Throws code 11 while another call has the attachment, 101 if it exists. */
export async function claim(record: AttachmentRecord, call: Call): Promise<void> {
  const judge = (existing: AttachmentRecord) => refuseIfAlive(existing, kernelOf(call));
  const policy = { busy: async (process: number) => refuseWhileBusy(record, process), judge };
  while (!createRecord(record)) await unwireRecorded(record, call, policy);
  try {
    await outlastRemovals(record, call);
  } catch (error) {
    if (isHeld(record)) removeRecord(record);
    throw error;
  }
  if (!isHeld(record)) refuseWhileBusy(record);
}

/** Removals that began before this record was there go on beside it. */
async function outlastRemovals(record: AttachmentRecord, call: Call): Promise<void> {
  for (let removals = removalsOf(record); removals.length > 0; removals = removalsOf(record)) {
    for (const removal of removals) {
      if (removal.busyProcess === undefined) await unwireClaim(record, removal, call);
      else if (call.deadline.aborted) refuseWhileBusy(record, removal.busyProcess);
      else await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

function refuseWhileBusy(name: AttachmentName, process?: number): never {
  throw new CniError(
    ErrorCode.tryAgainLater,
    "the attachment is busy",
    `${describeAttachment(name)} is being added or removed by process ${process ?? "(unknown)"}; wait for it to end`,
  );
}

async function refuseIfAlive(existing: AttachmentRecord, kernel: Kernel): Promise<void> {
  if (existing.state !== "ready" || !hasNetns(existing) || !hasHostLinks(existing.plan)) return;
  if (!(await hasPorts(existing.plan, kernel))) return;
  throw new CniError(
    ErrorCode.attachmentExists,
    "the attachment exists",
    `${describeAttachment(existing)} has been wired since ${existing.createdAt}; DEL it before adding it again`,
  );
}
