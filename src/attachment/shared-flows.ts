// What a bridge has for its pods with a VLAN in their trunk: made by each of them, the same each time, and removed with the last.
import type { Kernel } from "../linux/kernel.ts";
import { changeFlows, isPresent, isSameBridge } from "../linux/ovs.ts";
import { flowLines, removingFlowsLine, trunkVlanOf } from "../plan/ovs-lines.ts";
import type { OvsFlows, Plan } from "../plan/plan.ts";
import { recordedPlans } from "./record.ts";
import { releaseSharedLinks } from "./shared-links.ts";

/** Of the plan of an attachment whose record is gone: removes what it shared with others and nobody needs any more. */
export async function releaseShared(plan: Plan, kernel: Kernel): Promise<void> {
  try {
    for (const flows of plan.filter((object) => object.kind === "ovs-flows")) {
      if (trunkVlanOf(flows.cookie) !== undefined) await releaseTrunk(flows, kernel);
    }
  } catch {
    // A bridge that cannot be asked may be gone, and GC says so if it is not.
  }
  await releaseSharedLinks(plan, kernel);
}

export async function releaseTrunk(flows: OvsFlows, kernel: Kernel): Promise<void> {
  if (isRecorded(flows) || !isPresent(flows.database, kernel)) return;
  await changeFlows(flows, [removingFlowsLine(flows.cookie)], kernel);
  // Twice: an ADD may have made them since the records were read.
  if (isRecorded(flows)) await changeFlows(flows, flowLines(flows), kernel);
}

function isRecorded({ cookie, ...at }: OvsFlows): boolean {
  const plans = recordedPlans();
  return (
    plans === undefined ||
    plans
      .flat()
      .some((object) => object.kind === "ovs-flows" && object.cookie === cookie && isSameBridge(object, at))
  );
}
