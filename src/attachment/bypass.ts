// Sees to it that the bypass is as an ADD's network wishes. It is a matter of speed: whatever is wrong with it is logged, and no
// pod fails by it. Where it is not wished nothing is looked at; where the module is not loaded, one look is all.
import { CniError, ErrorCode, toCniError } from "../cni/error.ts";
import { defaultTimeoutSeconds } from "../config/network.ts";
import type { Kernel } from "../linux/kernel.ts";
import { freshBypassRecord, isBypassSettled, isRecorded, presentModule } from "../node/bypass-record.ts";
import { wantsBypass } from "../node/bypass-wish.ts";
import { type Call, kernelOf } from "./call.ts";

export async function ensureBypass(call: Call): Promise<void> {
  if (!wantsBypass(call.config)) return;
  const module = presentModule();
  if (module === "" && call.config.bypass?.mode !== "on") return;
  await refreshBypass(call, module);
}

/** For GC: also takes back what the network does not wish any more. */
export async function sweepBypass(call: Call): Promise<void> {
  if (wantsBypass(call.config)) return ensureBypass(call);
  if (isRecorded(call.config.name)) await refreshBypass(call, presentModule());
}

async function refreshBypass(call: Call, module: string): Promise<void> {
  const { config, log } = call;
  try {
    if (isBypassSettled(config, module)) return;
    const before = freshBypassRecord(config, module);
    const { applyNetworkBypass } = await import("../node/network-bypass.ts");
    const outcome = await applyNetworkBypass(config, withinPartOf(call));
    if (outcome === undefined) return;
    // The rules were looked at again, and all is as it was.
    if (before !== undefined && !outcome.isChanged && outcome.fault === before.fault) return;
    const { describeBypass } = await import("../node/bypass.ts");
    const { fault, obstacles, tunnelObstacles } = outcome;
    const isAsWished = fault === undefined && obstacles.length + tunnelObstacles.length === 0;
    log[isAsWished ? "info" : "warn"](describeBypass(outcome));
  } catch (error) {
    const { message, details } = toCniError(error);
    log.warn(`bypass: stays as it is: ${message}: ${details}`);
  }
}

/** A lock that is held, or rules that take long to list, must not take the time that the pod needs. */
function withinPartOf(call: Call): Kernel {
  const seconds = (call.config.timeout ?? defaultTimeoutSeconds) / 4;
  const deadline = AbortSignal.any([call.deadline, AbortSignal.timeout(Math.ceil(1000 * seconds))]);
  return { ...kernelOf(call), deadline };
}

/** For STATUS: throws if the module, which is to be on, was tried and cannot be used. What was in the way a while ago may be gone. */
export async function requireBypass(call: Call): Promise<void> {
  const { config } = call;
  if (config.bypass?.mode !== "on") return;
  const faultNow = () => freshBypassRecord(config, presentModule())?.fault;
  if (faultNow() === undefined) return;
  await ensureBypass(call);
  const fault = faultNow();
  if (fault === undefined) return;
  throw new CniError(
    ErrorCode.moduleUnusable,
    "bypass.mode is on, and the module cannot be used",
    `${fault}. Then podwire apply; or set bypass.mode to auto`,
  );
}
