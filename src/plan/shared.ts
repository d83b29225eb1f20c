// Removes a link that attachments shared, once no one needs it. A bridge goes with the flows and ports that it has, if
// podwire made it; from anybody else's only podwire's own flows and addresses go.
import { ipApply } from "../linux/ip.ts";
import type { Kernel } from "../linux/kernel.ts";
import { changeFlows, OvsDownError, ovsRows, ovsTransact } from "../linux/ovs.ts";
import { idOf, labelOf, membersOf } from "../linux/ovs-rows.ts";
import { ownBridge, ownerKey, removingFlowsLine } from "./ovs-lines.ts";
import type { BridgeName, Link, Plan } from "./plan.ts";

/** `plan`: that of the last attachment. */
export async function removeShared({ name, type }: Link, plan: Plan, kernel: Kernel): Promise<void> {
  if (type.kind !== "ovs") {
    await ipApply("host", [`link delete dev ${name}`], kernel, true);
    return;
  }
  try {
    if (await isOursAlone(type.bridge, kernel)) {
      await ovsTransact(type.bridge.database, [["--if-exists", "del-br", name]], kernel);
    } else {
      await leaveBridge(type.bridge, name, plan, kernel);
    }
  } catch (error) {
    // GC comes again.
    if (!(error instanceof OvsDownError)) throw error;
  }
}

/** Whether podwire made the bridge and nobody else has put a port on it. */
async function isOursAlone({ database, bridge }: BridgeName, kernel: Kernel): Promise<boolean> {
  const questions = [
    ["--columns=ports,external_ids", "--if-exists", "list", "Bridge", bridge],
    ["--columns=_uuid,name", "list", "Port"],
    ["--columns=name,external_ids", "list", "Interface"],
  ];
  const [[row] = [], ports = [], interfaces = []] = await ovsRows(database, questions, kernel);
  if (row === undefined || labelOf(row, ownerKey) !== ownBridge) return false;
  const members = new Set(membersOf(row["ports"]));
  const names = new Set(ports.filter((port) => members.has(idOf(port))).map((port) => port["name"]));
  return interfaces
    .filter(({ name }) => names.has(name) && name !== bridge)
    .every((candidate) => labelOf(candidate, ownerKey) !== undefined);
}

/** Bridges that podwire made. */
export async function ownBridges(database: string, kernel: Kernel): Promise<string[]> {
  const question = ["--columns=name", "find", "Bridge", `external_ids:${ownerKey}=${ownBridge}`];
  const [rows = []] = await ovsRows(database, [question], kernel);
  return rows.map((row) => String(row["name"]));
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
