// DEL: needs neither a live netns nor prevResult, and succeeds for what is gone already.
import { CniError, ErrorCode } from "../cni/error.ts";
import type { AttachmentName } from "../datapath/datapath.ts";
import { type Call, describeAttachment, kernelOf, nameOf } from "./call.ts";
import { repairSwitches } from "./ovs/stamp.ts";
import { presentDatabase } from "./ovs/switch.ts";
import { releaseUnusedLinks } from "./shared-links.ts";
import { unwireRecorded, unwireUnrecorded } from "./unwire.ts";

export async function del(call: Call): Promise<void> {
  const name = nameOf(call);
  const hadRecord = await unwireRecorded(name, call, { busy: (process) => waitFor(process, call) });
  if (!hadRecord) await unwireByName(name, call);
  await repairSwitches(call);
}

async function unwireByName(name: AttachmentName, call: Call): Promise<void> {
  await unwireUnrecorded(name, call);
  await releaseUnusedLinks(kernelOf(call), presentDatabase(call));
}

/** A runtime that gave up on a slow ADD sends DEL while that ADD still runs: it ends first. */
async function waitFor(busy: number, call: Call): Promise<"look again"> {
  if (call.deadline.aborted) {
    throw new CniError(
      ErrorCode.tryAgainLater,
      "the attachment is busy",
      `process ${busy} is still adding or removing ${describeAttachment(nameOf(call))}`,
    );
  }
  await new Promise((resolve) => setTimeout(resolve, 20));
  return "look again";
}
