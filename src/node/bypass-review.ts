// Looks at the rules again where nothing else does because the overlay cannot be brought about: what is bypassed is what was set
// last, and has to obey them all the same.
import type { Kernel } from "../linux/kernel.ts";
import { withLock } from "../linux/lock.ts";
import { applyBypass, type BypassOutcome } from "./bypass.ts";
import { isJudged, readBypassRecord } from "./bypass-record.ts";
import { lockFile } from "./stamp.ts";

/** Rounds that fail follow each other fast. */
const pauseSeconds = 5;

/** undefined if nothing is bypassed, or the rules were looked at just now. */
export async function reviewBypass(kernel: Kernel): Promise<BypassOutcome | undefined> {
  if (dueRecord() === undefined) return undefined;
  return withLock(lockFile, kernel, async () => {
    const record = dueRecord();
    return record && applyBypass(record.networks, record.overlay, kernel);
  });
}

function dueRecord() {
  const record = readBypassRecord();
  if (record === undefined || record.networks.length === 0) return undefined;
  return isJudged(record, pauseSeconds) ? undefined : record;
}
