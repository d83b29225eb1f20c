// All attachments on this node, by their records, and what can be said of each without starting a program.
import { hasNetns, isBeingAdded } from "../attachment/liveness.ts";
import { bridgeOf } from "../attachment/ovs/switch.ts";
import { claimsOn } from "../attachment/ownership.ts";
import { type AttachmentRecord, listAllRecords, stateDirectory } from "../attachment/record.ts";
import { CniError, ErrorCode } from "../cni/error.ts";
import type { AttachmentName } from "../datapath/datapath.ts";
import { datapaths } from "../datapath/registry.ts";
import { hostLinkExists } from "../linux/links.ts";
import { bootId } from "../linux/process.ts";
import type { PodPlan } from "../plan/plan.ts";

/**
 * wired: its ADD succeeded, and its pod's netns is there.
 * adding: its ADD is under way.
 * unfinished: the podwire that was adding it is dead, or that which was removing it, or its IPAM refused.
 * stale: its pod's netns is gone, or was one of an earlier boot.
 * torn: its record cannot be read.
 */
export type Condition = "wired" | "adding" | "unfinished" | "stale" | "torn";

export interface Attachment {
  readonly name: AttachmentName;
  /** Absent if torn. */
  readonly record?: AttachmentRecord;
  readonly condition: Condition;
  /** Says why it is in no good condition. */
  readonly why: string;
  /** Why it may be in use all the same; undefined if it provably is not, or is known to be. */
  readonly doubt?: string;
}

/** Throws code 5 if the records may not be read. */
export function listAttachments(): Attachment[] {
  return readableRecords()
    .flatMap((name) => examine(name) ?? [])
    .sort((a, b) => compare(sortKey(a), sortKey(b)));
}

/** undefined if the attachment has no record. */
export function examine(name: AttachmentName): Attachment | undefined {
  const [claim] = claimsOn(name);
  if (claim === undefined) return undefined;
  const { stored } = claim;
  if (stored === "torn") {
    const why = "its record is torn, or of another version of podwire";
    return { name, condition: "torn", why, ...doubtOf(tracesOf(name)) };
  }
  if (claim.isBegun && claim.busyProcess === undefined) {
    return { name, record: stored, condition: "unfinished", why: "its DEL was killed, or failed" };
  }
  return { name, record: stored, ...conditionOf(stored) };
}

function conditionOf(record: AttachmentRecord): Pick<Attachment, "condition" | "why" | "doubt"> {
  if (record.bootId !== bootId()) return { condition: "stale", why: "it is from before the last boot" };
  if (isBeingAdded(record)) return { condition: "adding", why: `process ${record.writer.pid} is adding it` };
  if (record.state === "adding") return { condition: "unfinished", why: "its ADD was killed" };
  if (hasNetns(record)) return { condition: "wired", why: "" };
  const why = `its netns ${record.netns.path} is gone or was replaced`;
  return { condition: "stale", why, ...doubtOf(record.plan) };
}

/** A link of a pair lives as long as the other end: the pod's netns exists, perhaps under another path. */
function doubtOf(plan: PodPlan): { doubt?: string } {
  const link = plan
    .filter((object) => object.kind === "link")
    .find(({ name, type }) => type.kind === "veth" && type.makesPair && hostLinkExists(name));
  return link === undefined ? {} : { doubt: `its link ${link.name} on the host is still there` };
}

function tracesOf(name: AttachmentName): PodPlan {
  return Object.values(datapaths).flatMap((datapath) => datapath.traces(name, bridgeOf({})));
}

function readableRecords(): AttachmentName[] {
  try {
    return listAllRecords();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const remedy = process.geteuid?.() === 0 ? "" : "; run it as root";
    throw new CniError(
      ErrorCode.io,
      "the attachments' records cannot be read",
      `${stateDirectory}: ${reason}${remedy}`,
      { cause: error },
    );
  }
}

function sortKey({ name, record }: Attachment): string[] {
  return [name.network, record?.createdAt ?? "", name.containerID, name.ifname];
}

function compare(a: readonly string[], b: readonly string[]): number {
  const at = a.findIndex((key, index) => key !== b[index]);
  return at < 0 ? 0 : (a[at] ?? "") < (b[at] ?? "") ? -1 : 1;
}

/** Of pods that live. */
export function recordsOfWired(attachments: readonly Attachment[]): AttachmentRecord[] {
  return attachments.flatMap(({ record, condition }) =>
    record !== undefined && condition === "wired" ? [record] : [],
  );
}
