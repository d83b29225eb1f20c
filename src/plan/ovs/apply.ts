// Makes and removes what a plan has in Open vSwitch: one transaction for a bridge and its ports, one bundle for
// flows.
import { type CniError, toCniError } from "../../cni/error.ts";
import type { Kernel } from "../../linux/kernel.ts";
import { hostLinkExists } from "../../linux/links.ts";
import { isPresent } from "../../linux/ovs/identity.ts";
import { changeFlows, OvsDownError, ovsRefused, ovsRows, ovsTransact } from "../../linux/ovs/ovs.ts";
import { labelOf } from "../../linux/ovs/rows.ts";
import type { BridgeName, OvsBridge, OvsFlows, OvsPort, Plan } from "../plan.ts";
import { byBridge } from "./by-bridge.ts";
import {
  bridgeWords,
  flowLines,
  isOvsObject,
  type OvsObject,
  ownerKey,
  portWords,
  removingFlowsLine,
  removingPortWords,
} from "./lines.ts";

/** Makes objects of one bridge. `ports`: whether those may be there. */
export async function applyOvs(
  objects: readonly OvsObject[],
  kernel: Kernel,
  ports: "new" | "any" = "new",
): Promise<void> {
  try {
    await setOvs(objects, ports, kernel);
  } catch (error) {
    // A DEL that found nobody has left a row, of which nothing may stay; or somebody has moved the port.
    if (!/port named .* already exists|actually attached to/.test(toCniError(error).details)) throw error;
    const own = objects.filter((object) => object.kind === "ovs-port");
    for (const port of own) if (!(await removeOwnPort(port, kernel))) throw error;
    await setOvs(objects, ports, kernel);
  }
}

/** podwire would make it as its own, whose settings are not its owner's. */
export function goneOfOthers({ bridge }: BridgeName): CniError {
  return ovsRefused(
    `bridge ${bridge} is gone, on which podwire has pods and which others made; they have to make it again, and podwire ` +
      "puts its pods back then",
  );
}

/** Returns false if the port is not of this attachment. */
async function removeOwnPort({ database, name, externalIds }: OvsPort, kernel: Kernel): Promise<boolean> {
  const question = ["--columns=external_ids", "--if-exists", "list", "Interface", name];
  const [[row] = []] = await ovsRows(database, [question], kernel);
  if (row === undefined || labelOf(row, ownerKey) !== externalIds[ownerKey]) return false;
  await ovsTransact(database, [removingPortWords(name)], kernel);
  return true;
}

async function setOvs(objects: readonly OvsObject[], ports: "new" | "any", kernel: Kernel): Promise<void> {
  const [first] = objects;
  if (first === undefined) return;
  const words = objects
    .filter((object) => object.kind === "ovs-port")
    .flatMap((port) => portWords(port, ports));
  const bridges = objects.filter((object) => object.kind === "ovs-bridge");
  if (words.length > 0 || bridges.length > 0) await setPorts(bridges, words, first.database, kernel);
  const flows = objects.filter((object) => object.kind === "ovs-flows").flatMap(flowLines);
  if (flows.length > 0) await changeFlows(first, flows, kernel);
}

async function setPorts(
  bridges: readonly OvsBridge[],
  ports: readonly string[][],
  database: string,
  kernel: Kernel,
): Promise<void> {
  const making = bridges.filter(({ foreign }) => !foreign).flatMap(bridgeWords);
  const transact = async (commands: readonly string[][]) => {
    const fault = commands.length === 0 ? undefined : await ovsTransact(database, commands, kernel);
    if (fault !== undefined) throw ovsRefused(fault);
  };
  // Of a bridge alone there would be nothing to send, where only its link is there.
  let isThere = ports.length > 0 && bridges.every(({ bridge }) => hostLinkExists(bridge));
  for (let attempt = 1; ; attempt++) {
    try {
      return await transact(isThere ? ports : [...making, ...ports]);
    } catch (error) {
      // A link of that name says nothing about the database, and then another ADD may be faster.
      const isOtherwise = isThere ? /no bridge named/ : /bridge named .* already exists/;
      const isLast = making.length === 0 || attempt === attempts;
      if (isLast || !isOtherwise.test(toCniError(error).details)) throw error;
      isThere = !isThere;
    }
  }
}

/** The last DEL may take the bridge away between two of them. */
const attempts = 4;

/** Flows go before their port, whose number another one could get. Where Open vSwitch is down only GC can. */
export async function removeOvs(plan: Plan, kernel: Kernel): Promise<void> {
  const own = plan.filter(isOvsObject).filter((object) => object.kind !== "ovs-bridge");
  const databases = new Set(own.map(({ database }) => database));
  for (const database of [...databases].filter((each) => isPresent(each, kernel))) {
    const objects = own.filter((object) => object.database === database);
    try {
      await removeFrom(database, objects, kernel);
    } catch (error) {
      if (!(error instanceof OvsDownError)) throw error;
    }
  }
}

async function removeFrom(database: string, objects: readonly OvsObject[], kernel: Kernel): Promise<void> {
  const ports = objects.filter((object) => object.kind === "ovs-port");
  const flows = objects.filter((object) => object.kind === "ovs-flows").filter(({ shared }) => !shared);
  const answers = await removeFlows(flows, kernel);
  const names = [...new Set(ports.map(({ name }) => name))];
  if (names.length > 0) await ovsTransact(database, names.map(removingPortWords), kernel, answers);
}

/** Returns whether ovs-vswitchd answers. */
async function removeFlows(objects: readonly OvsFlows[], kernel: Kernel): Promise<boolean> {
  try {
    for (const [at, cookies] of byBridge(objects)) {
      await changeFlows(at, [...new Set(cookies.map(({ cookie }) => removingFlowsLine(cookie)))], kernel);
    }
    return true;
  } catch (error) {
    // A bridge that is gone has no flows, one whose switch is dead gets none back, and the rest GC finds.
    return !(error instanceof OvsDownError);
  }
}
