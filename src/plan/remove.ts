// Takes a plan's objects away, whatever of them is still there. Settings of the kernel stay: those of
// links go with them, and the host-wide ones (ip_forward) may be in use by others. So do links that attachments share:
// only what this one had on them goes.
import { CniError, ErrorCode, toCniError } from "../cni/error.ts";
import { ipApply, ipAsk, type LineFault } from "../linux/ip.ts";
import type { Kernel, Where } from "../linux/kernel.ts";
import { hostLinkExists, linksWithHostRoutes } from "../linux/links.ts";
import { detachingLines, isIpObject, linkOf, removingLines } from "./ip-lines.ts";
import { removeMasquerade } from "./masquerade.ts";
import { removeOvs } from "./ovs/apply.ts";
import { type Link, movesToPod, type Plan, sharedLinks } from "./plan.ts";

export async function remove(plan: Plan, kernel: Kernel): Promise<void> {
  const masquerades = plan.filter((object) => object.kind === "masquerade");
  const outcomes = await Promise.allSettled([
    removeLinks(plan, kernel),
    ...masquerades.map((object) => removeMasquerade(object.network, object.sources, kernel)),
  ]);
  // All have ended by now, so that nothing goes on behind the caller's back.
  const failed = outcomes.find((outcome) => outcome.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}

/** One after the other, and each also if one before it fails. */
async function removeLinks(plan: Plan, kernel: Kernel): Promise<void> {
  const failures: unknown[] = [];
  for (const step of [removeOvs, removePodLinks, removeHostLinks]) {
    await step(plan, kernel).catch((error: unknown) => failures.push(error));
  }
  if (failures.length > 0) throw failures[0];
}

function removeHostLinks(plan: Plan, kernel: Kernel): Promise<void> {
  return removeLines("host", linesOf(plan), kernel);
}

async function removeLines(where: Where, lines: readonly string[], kernel: Kernel): Promise<void> {
  if (lines.length === 0) return;
  const faults = (await ipApply(where, lines, kernel, true)).filter((fault) => !isGone(fault));
  if (faults[0] === undefined) return;
  throw new CniError(
    ErrorCode.kernelRefused,
    "a link could not be removed",
    faults.map((fault) => `ip ${lines[fault.line]}: ${fault.message}`).join("; "),
  );
}

/** In the reverse order; a link may be named twice, by a plan and by its attachment's name. */
function linesOf(plan: Plan): string[] {
  const shared = new Set(sharedLinks(plan).map(({ name }) => name));
  const present = plan
    .filter(isIpObject)
    .filter((object) => object.where === "host" && hostLinkExists(linkOf(object)));
  const routed = linksWithHostRoutes();
  const lines = present.toReversed().flatMap((object) => {
    const link = linkOf(object);
    if (!shared.has(link)) return removingLines(object);
    // Where no pod has a route there is nothing to take from the others.
    return routed.has(link) ? detachingLines(object) : [];
  });
  return [...new Set(lines)];
}

/**
 * Links that live in the pod alone. They have their alias from before they came there, under whatever name
 * they are found; what the pod has besides is not ours.
 */
export async function removePodLinks(plan: Plan, kernel: Kernel): Promise<void> {
  const links = podLinks(plan);
  if (links.length === 0 || kernel.pod === undefined) return;
  try {
    await removeByAlias(new Set(links.flatMap(({ alias }) => alias ?? [])), kernel);
  } catch (error) {
    // Nothing is in a namespace that cannot be entered, and Open vSwitch's own links have gone with their ports.
    const isElsewhere = toCniError(error).code === ErrorCode.invalidNetns;
    if (!isElsewhere && links.some(({ type }) => type.kind !== "ovs")) throw error;
  }
}

async function removeByAlias(aliases: ReadonlySet<string>, kernel: Kernel): Promise<void> {
  const [present] = await ipAsk("pod", ["link show"], kernel);
  const found = (present ?? []) as { ifname?: string; ifalias?: string }[];
  const names = found.flatMap(({ ifname, ifalias }) => (aliases.has(ifalias ?? "") ? (ifname ?? []) : []));
  await removeLines(
    "pod",
    names.map((name) => `link delete dev ${name}`),
    kernel,
  );
}

/** Links that do not go with another one's on the host: they were made there and moved to the pod. */
export function podLinks(plan: Plan): Link[] {
  return plan.filter((object) => object.kind === "link").filter(movesToPod);
}

/** Only Open vSwitch can remove its links, and does once it runs. */
function isGone(fault: LineFault): boolean {
  return /Cannot find device|No such|does not exist|Operation not supported/.test(fault.message);
}
