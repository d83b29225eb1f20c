// Whether what a record says still exists.

import { defaultTimeoutSeconds } from "../config/network.ts";
import type { Kernel } from "../linux/kernel.ts";
import { hostLinkExists } from "../linux/links.ts";
import { netnsStillAt } from "../linux/netns.ts";
import { bootId, isRunning } from "../linux/process.ts";
import { readOvs } from "../plan/ovs/observe.ts";
import { hostLinksOf, type Plan } from "../plan/plan.ts";
import { type AttachmentRecord, allRecords, wholeRecords } from "./record.ts";

/** Whether the podwire that writes this record is still at it. */
export function isBeingAdded(record: AttachmentRecord): boolean {
  if (record.state !== "adding" || record.bootId !== bootId()) return false;
  return isRunning(record.writer) ?? isWithinCall(Date.parse(record.createdAt), record.rawConfig["timeout"]);
}

/** Of a process in another pid namespace only the time can tell: by then its call has ended. */
export function isWithinCall(beganMs: number, timeout: unknown): boolean {
  const seconds = typeof timeout === "number" ? timeout : defaultTimeoutSeconds;
  return Date.now() - beganMs < (seconds + marginSeconds) * 1000;
}

const marginSeconds = 5;

/** Whether the pod's netns still exists, in this boot and as the same namespace. */
export function hasNetns(record: AttachmentRecord): boolean {
  return record.bootId === bootId() && netnsStillAt(record.netns.path, record.netns.identity);
}

/** Also of those that are being added, or were when podwire died. */
export function recordsOfLivePods(): AttachmentRecord[] {
  return wholeRecords(allRecords()).filter(hasNetns);
}

/** Attachments that are wired, of pods that live. */
export function liveAttachments(stored = allRecords()): AttachmentRecord[] {
  return wholeRecords(stored).filter((record) => record.state === "ready" && hasNetns(record));
}

/** Whether Open vSwitch still has the ports; where it cannot be asked, it is taken to have them. */
export async function hasPorts(plan: Plan, kernel: Kernel): Promise<boolean> {
  const ports = plan.filter((object) => object.kind === "ovs-port");
  const observed = await readOvs(ports, kernel);
  return observed.down !== undefined || ports.every((port) => observed.port(port, port.name) !== undefined);
}

/** Whether the links on the host are still there. */
export function hasHostLinks(plan: Plan): boolean {
  return hostLinksOf(plan).every(({ name }) => hostLinkExists(name));
}
