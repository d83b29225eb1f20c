// What of an attachment goes by an address alone: routes and neighbours on links that attachments share, and masquerading. Once the
// address is released it may be another pod's; all else has the attachment's name.
import { isDeepStrictEqual } from "node:util";
import type { Kernel } from "../linux/kernel.ts";
import { mend } from "../plan/mend.ts";
import { type PodObject, type PodPlan, sharedLinks } from "../plan/plan.ts";
import { hasNetns } from "./liveness.ts";
import { type AttachmentRecord, listAllRecords, readRecord, wholeRecords } from "./record.ts";

export function withoutAddresses(plan: PodPlan): PodPlan {
  const keysOf = keysIn(plan);
  return plan.filter((object) => keysOf(object).length === 0);
}

/** Without what records say that live attachments have, but for `own`: for a plan that is none of theirs any more. */
export function minusClaimed(plan: PodPlan, own?: AttachmentRecord): PodPlan {
  const keysOf = keysIn(plan);
  // Reading all records takes a moment.
  if (plan.flatMap(keysOf).length === 0) return plan;
  const others = readableRecords().filter(({ writer }) => !isDeepStrictEqual(writer, own?.writer));
  const taken = new Set(others.flatMap((record) => record.plan.flatMap(keysIn(record.plan))));
  return plan.flatMap((object) => {
    if (object.kind !== "masquerade") return keysOf(object).some((key) => taken.has(key)) ? [] : object;
    const sources = object.sources.filter((source) => !taken.has(masqueradeKey(object.network, source)));
    return sources.length === 0 ? [] : { ...object, sources };
  });
}

/**
 * After the removal of a plan: makes again what of it another attachment has, for one that came while it was removed, or that
 * had its own overwritten. Not of an ADD under way: what it has not made yet would be in its way.
 */
export async function putBackClaimed(removed: PodPlan, kernel: Kernel): Promise<void> {
  const keys = new Set(removed.flatMap(keysIn(removed)));
  if (keys.size === 0) return;
  const lost = readableRecords()
    .filter(({ state }) => state === "ready")
    .flatMap(({ plan }) => {
      const keysOf = keysIn(plan);
      return plan.filter((object) => keysOf(object).some((key) => keys.has(key)));
    });
  if (lost.length > 0) await mend(lost, lost, kernel);
}

/** Of pods that live. One that cannot be read must not make another pod's DEL fail. */
function readableRecords(): AttachmentRecord[] {
  const stored = listAllRecords().map((name) => {
    try {
      return readRecord(name);
    } catch {
      return undefined;
    }
  });
  return wholeRecords(stored).filter(hasNetns);
}

/** Of each object of the plan what the kernel has it by; none if that has the attachment's name. */
function keysIn(plan: PodPlan): (object: PodObject) => string[] {
  const shared = new Set(sharedLinks(plan).map(({ name }) => name));
  return (object) => {
    if (object.kind === "masquerade")
      return object.sources.map((source) => masqueradeKey(object.network, source));
    if (object.kind === "route" && shared.has(object.link)) return [`route ${object.link} ${object.dst}`];
    if (object.kind === "neighbour" && shared.has(object.link))
      return [`neighbour ${object.link} ${object.address}`];
    return [];
  };
}

function masqueradeKey(network: string, source: string): string {
  return `masquerade ${network} ${source}`;
}
