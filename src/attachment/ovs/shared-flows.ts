// What a bridge has for its pods with a VLAN in their trunk: made by each of them, the same each time, and removed with the last.
import type { Kernel } from "../../linux/kernel.ts";
import { isPresent } from "../../linux/ovs/identity.ts";
import { changeFlows, isSameBridge } from "../../linux/ovs/ovs.ts";
import { flowLines, removingFlowsLine, trunkVlanOf } from "../../plan/ovs/lines.ts";
import type { OvsFlows, PodPlan } from "../../plan/plan.ts";
import { recordedPlans } from "../record.ts";
import { releaseSharedLinks } from "../shared-links.ts";

/** Of the plan of an attachment whose record is gone: removes what it shared with others and nobody needs any more. */
export async function releaseShared(plan: PodPlan, kernel: Kernel): Promise<void> {
  const trunks = plan
    .filter((object) => object.kind === "ovs-flows")
    .filter(({ cookie }) => trunkVlanOf(cookie) !== undefined);
  // A bridge that cannot be asked may be gone, and GC says so if it is not.
  await releaseTrunks(trunks, kernel).catch(() => {});
  await releaseSharedLinks(plan, kernel);
}

/** All of one bridge. */
export async function releaseTrunks(trunks: readonly OvsFlows[], kernel: Kernel): Promise<void> {
  const [at] = trunks;
  if (at === undefined || !isPresent(at.database, kernel)) return;
  const unneeded = unclaimed(trunks);
  if (unneeded.length === 0) return;
  await changeFlows(
    at,
    unneeded.map(({ cookie }) => removingFlowsLine(cookie)),
    kernel,
  );
  // Twice: an ADD may have made some since the records were read.
  const free = new Set(unclaimed(unneeded));
  const needed = unneeded.filter((flows) => !free.has(flows));
  if (needed.length > 0) await changeFlows(at, needed.flatMap(flowLines), kernel);
}

/** Those that no attachment of the node has. */
function unclaimed(trunks: readonly OvsFlows[]): readonly OvsFlows[] {
  const recorded = recordedPlans()
    ?.flat()
    .filter((object) => object.kind === "ovs-flows");
  if (recorded === undefined) return [];
  return trunks.filter(
    (flows) => !recorded.some((object) => object.cookie === flows.cookie && isSameBridge(object, flows)),
  );
}
