// Makes a plan real. A failure names the object that failed; what was made until then is removed again.
import { CniError, ErrorCode, toCniError } from "../cni/error.ts";
import { ipApply } from "../linux/ip.ts";
import type { Kernel } from "../linux/kernel.ts";
import { driverMissing, isDriverMissing } from "../linux/link-drivers.ts";
import { hostLinkExists } from "../linux/links.ts";
import { writeHostSysctl, writePodSysctls } from "../linux/sysctl.ts";
import { kernelRefused, masterUnusable } from "./fault.ts";
import { type IpObject, makingLines, upLines } from "./ip-lines.ts";
import { applyMasquerade, removeMasquerade } from "./masquerade.ts";
import { applyOvs } from "./ovs/apply.ts";
import {
  describeObject,
  type Link,
  type Masquerade,
  type PodObject,
  type PodPlan,
  type Sysctl,
} from "./plan.ts";
import { remove } from "./remove.ts";
import { type Step, stepsOf } from "./steps.ts";

/** The kernel also refused to remove what had been made. */
export class RollbackError extends CniError {}

/** `undo` is the kernel to roll back with: its deadline must outlive that of `kernel`. */
export async function apply(plan: PodPlan, kernel: Kernel, undo: Kernel): Promise<void> {
  const made: PodObject[] = [];
  try {
    for (const step of stepsOf(plan)) await applyStep(step, kernel, made);
  } catch (error) {
    await rollBack(made, undo, toCniError(error));
    throw error;
  }
}

async function rollBack(made: PodPlan, undo: Kernel, reason: CniError): Promise<void> {
  try {
    await remove(made, undo);
  } catch (error) {
    const { code, message, details } = reason;
    const left = toCniError(error).details;
    throw new RollbackError(
      code,
      message,
      `${details}. Not all could be removed again, DEL will try: ${left}`,
      {
        cause: reason,
      },
    );
  }
}

/** Adds to `made` what exists afterwards, also if the step fails. */
async function applyStep(step: Step, kernel: Kernel, made: PodObject[]): Promise<void> {
  switch (step.tool) {
    case "ip":
      return applyIp(step.objects, kernel, made);
    case "sysctl":
      return applySysctls(step.objects, kernel);
    case "nft":
      return applyMasquerades(step.objects, kernel, made);
    case "ovs":
      // What was written to its database is there also if ovs-vswitchd could not do it.
      made.push(...step.objects);
      return applyOvs(step.objects, kernel);
  }
}

async function applyIp(objects: readonly IpObject[], kernel: Kernel, made: PodObject[]): Promise<void> {
  const lines = objects.flatMap((object) => linesFor(object).map((text) => ({ object, text })));
  const where = objects[0]?.where ?? "host";
  // If iproute2 is killed at the deadline nobody knows how far it came: all of it may exist.
  made.push(...objects);
  const [fault] = await ipApply(
    where,
    lines.map((line) => line.text),
    kernel,
  );
  if (fault === undefined) return;
  const failed = lines[fault.line]?.object;
  if (failed !== undefined && isSharedByNow(failed, fault.message)) {
    made.splice(made.length - objects.length);
    return applyIp(objects, kernel, made);
  }
  const reached = failed === undefined ? objects.length : objects.indexOf(failed);
  const partly = lines[fault.line - 1]?.object === failed ? 1 : 0;
  made.splice(made.length - objects.length + reached + partly);
  throw refused(failed, fault.message, lines[fault.line]?.text);
}

/** A transaction is made whole or not at all; only of one that was killed nobody knows. */
async function applyMasquerades(
  objects: readonly Masquerade[],
  kernel: Kernel,
  made: PodObject[],
): Promise<void> {
  for (const object of objects) {
    try {
      await applyMasquerade(object, kernel);
      made.push(object);
    } catch (error) {
      if (kernel.deadline.aborted) made.push(object);
      // An nft that fails has done nothing; one that says so falsely gets a second chance to undo it.
      else await removeMasquerade(object.network, object.sources, kernel).catch(() => {});
      throw error;
    }
  }
}

/** A shared link that exists only gets what makes it usable. */
export function linesFor(object: IpObject): string[] {
  return object.kind === "link" && object.shared && hostLinkExists(object.name)
    ? upLines(object)
    : makingLines(object);
}

/** Another call was faster. What was made before it in this batch is refused when it is made again. */
export function isSharedByNow(object: IpObject, message: string): boolean {
  return object.kind === "link" && object.shared === true && message.includes("File exists");
}

/** One that cannot be written does not keep the others from it. Throws the first fault. */
export async function applySysctls(objects: readonly Sysctl[], kernel: Kernel): Promise<void> {
  const faults: unknown[] = [];
  for (const { key, value } of objects.filter((object) => object.where === "host")) {
    try {
      writeHostSysctl(key, value);
    } catch (fault) {
      faults.push(fault);
    }
  }
  const inPod = objects.filter((object) => object.where === "pod");
  for (const value of new Set(inPod.map((object) => object.value))) {
    const keys = inPod.filter((object) => object.value === value).map((object) => object.key);
    await writePodSysctls(keys, value, kernel).catch((fault) => faults.push(fault));
  }
  if (faults.length > 0) throw faults[0];
}

export function refused(object: PodObject | undefined, message: string, line: string | undefined): CniError {
  const taken = object?.kind === "link" && message.includes("File exists") ? takenName(object) : undefined;
  if (taken !== undefined) return taken;
  const name = object === undefined ? "an object" : describeObject(object);
  const details = `${name} could not be made: ${message} (ip ${line ?? "-batch"})`;
  if (object?.kind === "link" && object.type.kind === "ipvlan" && /busy|Invalid argument/.test(message)) {
    return masterInUse(object.type.master, details);
  }
  const isUndriven = object?.kind === "link" && isDriverMissing(message);
  return kernelRefused(isUndriven ? `${details}; ${driverMissing(object.type.kind)}` : details);
}

/** A link has one rx_handler: ipvlan's, macvlan's, a bridge's or a bond's. A macvlan in another netns cannot be seen from here. */
function masterInUse(master: string, details: string): CniError {
  return masterUnusable(
    `${details}; ${master} is no Ethernet link, or in use by something that excludes ipvlan (macvlan, a bridge, ` +
      "a bond): use another ipvlan.master",
  );
}

/** The name in the pod of a link that is made here. */
function podNameOf({ type, altName }: Link): string | undefined {
  if (type.kind === "veth") return type.makesPair ? type.peer.name : undefined;
  return altName ?? ("movesToPodAs" in type ? type.movesToPodAs : undefined);
}

function takenName(link: Link): CniError | undefined {
  const podName = podNameOf(link);
  if (podName === undefined) return undefined;
  return nameTaken(link.where === "host" && hostLinkExists(link.name) ? link.name : podName, link);
}

function nameTaken(name: string, { name: hostLink }: Link): CniError {
  return name === hostLink
    ? new CniError(
        ErrorCode.attachmentExists,
        "the attachment exists",
        `link ${name} exists on the host although podwire has no record of it; DEL the attachment first`,
      )
    : new CniError(
        ErrorCode.attachmentExists,
        "the interface name is taken",
        `the pod has an interface ${name} already; choose another CNI_IFNAME, or remove that interface`,
      );
}
