// Makes the node's overlay what is desired, on the host and in Open vSwitch; nothing desired takes it all away. For whoever
// holds the overlay's lock.
import { outlastLinkRemovals, releaseBridges } from "../attachment/shared-links.ts";
import { podsOn } from "../attachment/standing.ts";
import type { Kernel } from "../linux/kernel.ts";
import { isPresent } from "../linux/ovs/identity.ts";
import { changeFlows, defaultDatabase, isSameBridge, OvsDownError } from "../linux/ovs/ovs.ts";
import { tunnelPort } from "../overlay/ovs-tunnel.ts";
import { overlayDevices } from "../overlay/registry.ts";
import { ownCookies, removingFlowsLine } from "../plan/ovs/lines.ts";
import type { BridgeName } from "../plan/plan.ts";
import { type Reconciled, reconcile } from "../plan/reconcile.ts";
import { rememberAdvertised } from "./advertised.ts";
import { claimBridge, claimedBridge, unclaimBridge } from "./claimed-bridge.ts";
import type { Desired } from "./overlay.ts";

export async function bringAbout(
  desired: Pick<Desired, "plan" | "bridge"> | undefined,
  kernel: Kernel,
): Promise<Reconciled> {
  const { plan = [], bridge } = desired ?? {};
  const before = claimedBridge();
  const present = databasesOf([before, bridge]).filter((database) => isPresent(database, kernel));
  if (bridge !== undefined) {
    const isForeign = plan.some((object) => object.kind === "ovs-bridge" && object.foreign);
    claimBridge(isForeign ? { ...bridge, foreign: true } : bridge);
    await outlastLinkRemovals(plan, kernel.deadline);
  }
  const scope = { devices: overlayDevices, ports: [tunnelPort], databases: present, podsOn };
  const reconciled = await reconcile(plan, scope, kernel).catch(async (error: unknown) => {
    if (before !== undefined) claimBridge(before);
    else if (bridge !== undefined) await leave(bridge, kernel);
    throw error;
  });
  rememberAdvertised(plan);
  const isLeft = bridge === undefined || (before !== undefined && !isSameBridge(before, bridge));
  if (isLeft && before !== undefined) await removeFlows(before, kernel);
  if (bridge === undefined) unclaimBridge();
  if (isLeft) for (const database of present) await releaseBridges(database, kernel);
  return reconciled;
}

/** Also where somebody has taken the overlay's ports away before. */
async function removeFlows(at: BridgeName, kernel: Kernel): Promise<void> {
  if (!isPresent(at.database, kernel)) return;
  try {
    await changeFlows(at, [removingFlowsLine(ownCookies.overlay)], kernel);
  } catch (error) {
    // A bridge that is gone has no flows, and one whose switch is dead gets none back.
    if (!(error instanceof OvsDownError)) throw error;
  }
}

/** A bridge that nothing else needs was made in vain. */
async function leave({ database }: BridgeName, kernel: Kernel): Promise<void> {
  unclaimBridge();
  // GC comes again.
  await releaseBridges(database, kernel).catch(() => {});
}

/** The default one too: after a reboot nobody knows what was claimed. */
function databasesOf(bridges: readonly (BridgeName | undefined)[]): string[] {
  return [...new Set([...bridges.flatMap((at) => at?.database ?? []), defaultDatabase])];
}
