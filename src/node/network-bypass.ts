// The bypass for an ADD of a network that wishes it: applied if it is not yet. Other networks of the node keep what they have.
import { isInUse } from "../attachment/record.ts";
import { CniError } from "../cni/error.ts";
import type { NetworkConfig } from "../config/network.ts";
import type { Kernel } from "../linux/kernel.ts";
import { withLock } from "../linux/lock.ts";
import { applyBypass, type BypassOutcome } from "./bypass.ts";
import { noOverlay, type OverlayPart, overlayPart } from "./bypass-plan.ts";
import {
  isBypassSettled,
  machineSeconds,
  presentModule,
  readBypassRecord,
  type WishingNetwork,
  wishingNetwork,
} from "./bypass-record.ts";
import { wants } from "./declared.ts";
import { desiredForNetwork } from "./network-overlay.ts";
import { lockFile, makeStampDirectory } from "./stamp.ts";

/** undefined if another podwire did it meanwhile, or there is nothing to do. */
export async function applyNetworkBypass(
  network: NetworkConfig,
  kernel: Kernel,
): Promise<BypassOutcome | undefined> {
  makeStampDirectory();
  return withLock(lockFile, kernel, async () => {
    const own = wishingNetwork(network);
    if (own !== undefined && isBypassSettled(network, presentModule())) return undefined;
    const others = readBypassRecord()?.networks.filter(
      (other) => other.wish.network !== network.name && (isInUse(other.wish.network) || isAboutToBe(other)),
    );
    const networks = [...(others ?? []), ...(own === undefined ? [] : [own])];
    return applyBypass(networks, await partOf(network, kernel), kernel);
  });
}

/** An ADD asks for the bypass before it has a record. */
const addSeconds = 60;

function isAboutToBe({ askedAt }: WishingNetwork): boolean {
  const since = machineSeconds() - askedAt;
  return since >= 0 && since < addSeconds;
}

/**
 * A network without an overlay may stand beside one that has it. Of one that cannot be told just now (its underlay is away) the host
 * has what was applied last, and that has to obey the rules all the same.
 */
async function partOf(network: NetworkConfig, kernel: Kernel): Promise<OverlayPart> {
  const last = readBypassRecord()?.overlay ?? noOverlay;
  if (!wants(network.overlay)) return last;
  try {
    const { plan, underlay } = await desiredForNetwork(network, kernel);
    return overlayPart(plan, underlay.local);
  } catch (error) {
    if (error instanceof CniError) return last;
    throw error;
  }
}
