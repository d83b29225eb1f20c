// Removes a link that attachments shared, once no one needs it. A bridge goes with its flows if podwire made it and no
// port is left; from any other only podwire's own flows and addresses go.
import { ipApply } from "../linux/ip.ts";
import type { Kernel } from "../linux/kernel.ts";
import { isPresent } from "../linux/ovs/identity.ts";
import { changeFlows, isAnswering, OvsDownError, ovsRows, ovsTransact } from "../linux/ovs/ovs.ts";
import { membersOf } from "../linux/ovs/rows.ts";
import { ownBridge, ownerKey, removingFlowsLine } from "./ovs/lines.ts";
import type { BridgeName, Link, Plan } from "./plan.ts";

/** `stays`: something else than attachments needs it. `plan`: that of the last attachment. */
export async function removeShared(
  { name, type }: Link,
  stays: boolean,
  plan: Plan,
  kernel: Kernel,
): Promise<void> {
  if (type.kind !== "ovs") {
    await ipApply("host", [`link delete dev ${name}`], kernel, true);
    return;
  }
  if (!isPresent(type.bridge.database, kernel)) return;
  try {
    if (!stays && (await isIdle(type.bridge, kernel))) {
      const answers = await isAnswering(type.bridge.database, kernel);
      await ovsTransact(type.bridge.database, [["--if-exists", "del-br", name]], kernel, answers);
    } else {
      await leaveBridge(type.bridge, name, plan, kernel);
    }
  } catch (error) {
    // GC comes again.
    if (!(error instanceof OvsDownError)) throw error;
  }
}

/** Whether podwire made it, and it has no port left but its own. */
async function isIdle({ database, bridge }: BridgeName, kernel: Kernel): Promise<boolean> {
  return (await ownBridges(database, kernel)).some(({ name, isIdle }) => isIdle && name === bridge);
}

/** Bridges that podwire made; idle: without a port but their own. */
export async function ownBridges(
  database: string,
  kernel: Kernel,
): Promise<{ readonly name: string; readonly isIdle: boolean }[]> {
  const question = ["--columns=name,ports", "find", "Bridge", `external_ids:${ownerKey}=${ownBridge}`];
  const [rows = []] = await ovsRows(database, [question], kernel);
  return rows.map((row) => ({ name: String(row["name"]), isIdle: membersOf(row["ports"]).length === 1 }));
}

async function leaveBridge(at: BridgeName, link: string, plan: Plan, kernel: Kernel): Promise<void> {
  const lines = plan.flatMap((object) =>
    object.kind === "address" && object.where === "host" && object.link === link
      ? `address delete ${object.address} dev ${link}`
      : [],
  );
  if (lines.length > 0) await ipApply("host", lines, kernel, true);
  const base = plan.flatMap((object) =>
    object.kind === "ovs-flows" && object.shared ? removingFlowsLine(object.cookie) : [],
  );
  if (base.length > 0) await changeFlows(at, base, kernel);
}
