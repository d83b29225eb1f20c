// Makes again what of a plan is not there any more, and puts right what differs, without touching the rest: for what
// restarts of daemons and other programs take away from a pod that lives.
import { ipApply } from "../linux/ip.ts";
import type { Kernel } from "../linux/kernel.ts";
import { ovsTransact } from "../linux/ovs/ovs.ts";
import { applySysctls, isSharedByNow, linesFor, refused } from "./apply.ts";
import { withGiven } from "./given.ts";
import { type IpObject, isIpObject, linkOf, mendingLines } from "./ip-lines.ts";
import { remakeMasquerade } from "./masquerade.ts";
import { type Observed, observe } from "./observe.ts";
import { applyOvs, goneOfOthers } from "./ovs/apply.ts";
import { isOvsObject, type OvsObject, removingPortWords } from "./ovs/lines.ts";
import { describeObject, type Link, movesToPod, type PodObject, type PodPlan } from "./plan.ts";
import { removePodLinks } from "./remove.ts";
import { type Step, stepsOf } from "./steps.ts";
import { isAsPlanned, isYielding } from "./verify.ts";

/**
 * `left`: the plan with what others may rightly have changed left open. Returns what was mended, in words. What cannot be does not
 * keep the rest from it: then it throws the first fault at the end.
 */
export async function mend(made: PodPlan, left: PodPlan, kernel: Kernel): Promise<string[]> {
  const first = await observe(made, kernel);
  const faults: unknown[] = [];
  const ports = await makePorts(made, first, kernel).catch((fault) => void faults.push(fault));
  const observed = ports?.length === 0 ? first : await observe(made, kernel);
  const [plan, tolerated] = [withGiven(made, observed), withGiven(left, observed)];
  const lost = lostLinks(plan, observed);
  const isLost = (object: PodObject) => lost.has(keyOf(object.where, placeOf(object) ?? ""));
  const faulty = tolerated.filter((object) => !isAsPlanned(object, observed) && !isLost(object));
  // To write what they yield to changes them.
  const changed = faulty.some(({ kind }) => kind === "sysctl") ? tolerated.filter(isYielding) : [];
  const lacking = [...new Set([...plan.filter(isLost), ...faulty])];
  const parts = [...new Set([...lacking, ...changed])].filter((object) => ports || !isOvsObject(object));
  const moved = plan.filter((object) => object.kind === "link" && isLost(object));
  await removePodLinks(moved, kernel);
  for (const step of stepsOf(inOrder(parts, plan))) {
    try {
      await mendStep(step, isLost, kernel);
    } catch (fault) {
      faults.push(fault);
      // Where a link could not be made, another of its name may be. All are made on the host.
      const makes = (object: PodObject) => object.kind === "link" && isLost(object);
      if (step.where === "host" && step.objects.some(makes)) break;
    }
  }
  if (faults.length > 0) throw faults[0];
  return [...new Set([...(ports ?? []), ...lacking].map(describeObject))];
}

/**
 * Makes the bridge and the internal port that Open vSwitch lacks, or whose link is gone, which the row alone does not bring back. Before
 * all else: it may be about to see only now that its database lost them, takes their links away then, and numbers ports anew.
 */
async function makePorts(plan: PodPlan, observed: Observed, kernel: Kernel): Promise<OvsObject[]> {
  if (observed.ovs.down !== undefined) return [];
  const linkless = lacksLink(plan, observed);
  const isToMake = (object: OvsObject) => {
    if (object.kind === "ovs-bridge") return observed.ovs.bridge(object) === undefined;
    if (object.kind !== "ovs-port" || object.type.kind !== "internal") return false;
    return linkless || observed.ovs.port(object, object.name) === undefined;
  };
  const lacking = plan.filter(isOvsObject).filter(isToMake);
  if (lacking.length === 0) return [];
  const foreign = lacking.find((object) => object.kind === "ovs-bridge" && object.foreign);
  if (foreign !== undefined) throw goneOfOthers(foreign);
  const ports = lacking.filter((object) => object.kind === "ovs-port");
  if (linkless) {
    // It may have another name in the pod by now.
    await removePodLinks(plan, kernel);
    for (const { database, name } of ports) await ovsTransact(database, [removingPortWords(name)], kernel);
  }
  await applyOvs(lacking, kernel, "any");
  return lacking;
}

/** Whether the link that Open vSwitch made for the pod is neither there nor on the host. */
function lacksLink(plan: PodPlan, observed: Observed): boolean {
  const ends = plan
    .filter((object) => object.kind === "link")
    .filter(({ type, shared }) => type.kind === "ovs" && !shared);
  return ends.length > 0 && ends.every(({ where, name }) => observed.link(where, name) === undefined);
}

/** The link that an object is, is on, or is a setting of. */
function placeOf(object: PodObject): string | undefined {
  if (isIpObject(object)) return linkOf(object);
  return object.kind === "sysctl" ? /^net\/ipv[46]\/[a-z]+\/([^/]+)\//.exec(object.key)?.[1] : undefined;
}

/** By where they are and their names: to be made from the start, with all that stands on them. */
function lostLinks(plan: PodPlan, observed: Observed): Set<string> {
  const links = plan.filter((object) => object.kind === "link");
  const lost = links.filter((link) => isGone(link, observed));
  return new Set(lost.flatMap((link) => [keyOf(link.where, link.name), ...otherEnds(link, links)]));
}

/** One that moves to the pod is lost when it is back on the host. */
function isGone(link: Link, observed: Observed): boolean {
  const found = observed.link(link.where, link.name);
  if (link.shared) return found === undefined && link.type.kind !== "ovs";
  return movesToPod(link) ? found !== undefined : found === undefined;
}

/** What comes and goes with the link: the other end of a pair, or what it is before or after it moves. */
function otherEnds(link: Link, links: readonly Link[]): string[] {
  const { type } = link;
  if (type.kind === "veth") return [keyOf(type.peer.where, type.peer.name)];
  if (link.shared) return [];
  return links
    .filter((other) => !other.shared && other.type.kind === type.kind)
    .map((other) => keyOf(other.where, other.name));
}

function keyOf(where: string, name: string): string {
  return `${where} ${name}`;
}

function inOrder(parts: PodPlan, plan: PodPlan): PodPlan {
  const rank = new Map(plan.map((object, index) => [describeObject(object), index]));
  const rankOf = (object: PodObject) => rank.get(describeObject(object)) ?? plan.length;
  return parts.toSorted((a, b) => rankOf(a) - rankOf(b));
}

async function mendStep(step: Step, isLost: (object: PodObject) => boolean, kernel: Kernel): Promise<void> {
  switch (step.tool) {
    case "ip":
      return mendIp(step.objects, isLost, kernel);
    case "sysctl":
      return applySysctls(step.objects, kernel);
    case "nft":
      for (const object of step.objects) await remakeMasquerade(object, kernel);
      return;
    case "ovs":
      return applyOvs(step.objects, kernel, "any");
  }
}

async function mendIp(
  objects: readonly IpObject[],
  isLost: (object: PodObject) => boolean,
  kernel: Kernel,
): Promise<void> {
  const linesOf = (object: IpObject) => (isLost(object) ? linesFor(object) : mendingLines(object));
  const lines = objects.flatMap((object) => linesOf(object).map((text) => ({ object, text })));
  const texts = lines.map(({ text }) => text);
  const faults = await ipApply(objects[0]?.where ?? "host", texts, kernel, true);
  const refusals = faults.map(({ line, message }) => ({
    object: lines[line]?.object,
    text: texts[line],
    message,
  }));
  const isByNow = ({ object, message }: (typeof refusals)[number]) =>
    object && isSharedByNow(object, message);
  if (refusals.some(isByNow)) {
    const again = objects.filter((object) => refusals.some((refusal) => refusal.object === object));
    return mendIp(again, isLost, kernel);
  }
  const [refusal] = refusals;
  if (refusal !== undefined) throw refused(refusal.object, refusal.message, refusal.text);
}
