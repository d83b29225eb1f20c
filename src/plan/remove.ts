// Takes a plan's objects away, whatever of them is still there. Settings of the kernel stay: those of
// links go with them, and the host-wide ones (ip_forward) may be in use by others.
import { CniError, ErrorCode } from "../cni/error.ts";
import { ipApply, type LineFault } from "../linux/ip.ts";
import type { Kernel } from "../linux/kernel.ts";
import { hostLinkExists } from "../linux/links.ts";
import { isIpObject, removingLines } from "./ip-lines.ts";
import { removeMasquerade } from "./masquerade.ts";
import type { Plan } from "./plan.ts";

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

async function removeLinks(plan: Plan, kernel: Kernel): Promise<void> {
  const lines = linesOf(plan);
  if (lines.length === 0) return;
  const faults = (await ipApply("host", lines, kernel, true)).filter((fault) => !isGone(fault));
  if (faults[0] === undefined) return;
  throw new CniError(
    ErrorCode.kernelRefused,
    "a link could not be removed",
    faults.map((fault) => `ip ${lines[fault.line]}: ${fault.message}`).join("; "),
  );
}

/** In the reverse order; a link may be named twice, by a plan and by its attachment's name. */
function linesOf(plan: Plan): string[] {
  const present = plan
    .filter(isIpObject)
    .filter((object) => object.where === "host" && (object.kind !== "link" || hostLinkExists(object.name)));
  return [...new Set(present.flatMap(removingLines))].reverse();
}

function isGone(fault: LineFault): boolean {
  return /Cannot find device|No such device|does not exist/.test(fault.message);
}
