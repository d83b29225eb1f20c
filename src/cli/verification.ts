// Whether the attachments are as they were made: their plans against the kernel. The host's part of all of
// them is read at once, each pod's by itself.
import os from "node:os";
import { planOfAnyChain } from "../attachment/chained-changes.ts";
import type { AttachmentRecord } from "../attachment/record.ts";
import { toCniError } from "../cni/error.ts";
import type { Kernel } from "../linux/kernel.ts";
import { closeNetns, openNetns } from "../linux/netns.ts";
import { type Observed, observe } from "../plan/observe.ts";
import type { PodPlan } from "../plan/plan.ts";
import { describeDifference, verify } from "../plan/verify.ts";
import { inParallel } from "./in-parallel.ts";

/** A pod's programs wait for the kernel and for each other: a few more than there are cores of this machine. */
function parallelPods(): number {
  return 2 + os.availableParallelism();
}

export interface Verdict {
  readonly faults: readonly string[];
  /** Differences that plugins after podwire in the chain may rightly have made. */
  readonly changes: readonly string[];
}

/** A verdict on each record's attachment, in the order of the records. Never throws. */
export async function verifyAll(records: readonly AttachmentRecord[], kernel: Kernel): Promise<Verdict[]> {
  const plans = records.map((record) => record.plan);
  try {
    const host = await observe(distinct(plans.flatMap((plan) => part(plan, "host"))), kernel);
    return await inParallel(records, parallelPods(), (record) => verifyOne(record, host, kernel));
  } catch (error) {
    return records.map(() => unverified(error));
  }
}

async function verifyOne(record: AttachmentRecord, host: Observed, kernel: Kernel): Promise<Verdict> {
  try {
    const netns = openNetns(record.netns.path);
    try {
      const pod = await observe(part(record.plan, "pod"), { ...kernel, pod: netns });
      return verdictOn(record.plan, both(host, pod));
    } finally {
      closeNetns(netns);
    }
  } catch (error) {
    return unverified(error);
  }
}

function verdictOn(plan: PodPlan, observed: Observed): Verdict {
  const all = verify(plan, observed).map(describeDifference);
  const faults = all.length === 0 ? [] : verify(planOfAnyChain(plan), observed).map(describeDifference);
  return { faults, changes: all.filter((difference) => !faults.includes(difference)) };
}

function both(host: Observed, pod: Observed): Observed {
  const seen = (where: "host" | "pod") => (where === "host" ? host : pod);
  return {
    link: (where, name) => seen(where).link(where, name),
    routes: (where, link) => seen(where).routes(where, link),
    neighbours: (where, link) => seen(where).neighbours(where, link),
    sysctl: (where, key) => seen(where).sysctl(where, key),
    masquerade: host.masquerade,
    ovs: host.ovs,
  };
}

function part(plan: PodPlan, where: "host" | "pod"): PodPlan {
  return plan.filter((object) => object.where === where);
}

/** Settings of the whole host are in every plan. */
function distinct(plan: PodPlan): PodPlan {
  return [...new Map(plan.map((object) => [JSON.stringify(object), object])).values()];
}

function unverified(error: unknown): Verdict {
  const { message, details } = toCniError(error);
  return { faults: [`it cannot be verified: ${message}: ${details}`], changes: [] };
}
