// What of a network is left in the kernel without a record: its state was wiped, or written by hand.
import { toCniError } from "../cni/error.ts";
import type { AttachmentName } from "../datapath/datapath.ts";
import { hostLinkName, hostLinkPattern, parseAttachmentLabel, parseLinkAlias } from "../datapath/names.ts";
import { podCookie, sharedTrunk } from "../datapath/ovs.ts";
import { ipAsk } from "../linux/ip.ts";
import type { Kernel } from "../linux/kernel.ts";
import { hostLinkExists } from "../linux/links.ts";
import { type BridgeName, changeFlows, isSameBridge, listFlows, ovsRows } from "../linux/ovs/ovs.ts";
import { labelOf, numberOf, type Row, textOf } from "../linux/ovs/rows.ts";
import {
  isOvsObject,
  ownBridge,
  ownCookies,
  ownerKey,
  parseFlow,
  removingFlowsLine,
  trunkVlanOf,
} from "../plan/ovs/lines.ts";
import { releaseTrunks } from "./ovs/shared-flows.ts";
import { storedOf } from "./ownership.ts";
import { readRecord, recordedPlans } from "./record.ts";

/** Attachments of all networks that have a port in Open vSwitch, by what their ports say of themselves. */
export async function portAttachments(database: string, kernel: Kernel): Promise<AttachmentName[]> {
  return (await ownedPorts(database, "external_ids", kernel)).map(({ owner }) => owner);
}

/**
 * Ports without a record. Dead ones outlived their attachments, which were deleted while Open vSwitch was down; of an internal port
 * that works that cannot be said, for it is in a pod.
 */
export async function unrecordedPorts(
  database: string,
  kernel: Kernel,
): Promise<{ readonly owner: AttachmentName; readonly isDead: boolean }[]> {
  const ports = await ownedPorts(database, "external_ids,type,ofport,error", kernel);
  // Read after the ports were: an ADD writes its record before it makes one.
  const unrecorded = ports.filter(({ owner }) => readRecord(owner) === undefined);
  const isDead = ({ owner, row }: OwnedPort) => {
    const isInternal = row["type"] === "internal";
    if (hostLinkExists(hostLinkName(owner))) return isInternal;
    return !isInternal || numberOf(row["ofport"]) === -1 || textOf(row["error"]) !== undefined;
  };
  return unrecorded.map((port) => ({ owner: port.owner, isDead: isDead(port) }));
}

interface OwnedPort {
  readonly owner: AttachmentName;
  readonly row: Row;
}

async function ownedPorts(database: string, columns: string, kernel: Kernel): Promise<OwnedPort[]> {
  const question = [`--columns=${columns}`, "find", "Interface", `external_ids:${ownerKey}!=""`];
  const [rows = []] = await ovsRows(database, [question], kernel);
  return rows.flatMap((row) => {
    const owner = parseAttachmentLabel(labelOf(row, ownerKey) ?? "");
    return owner === undefined ? [] : { owner, row };
  });
}

/**
 * Removes flows of podwire's that belong to no attachment's plan, and to none that has a port or is listed, from all bridges of
 * the database that `configured` is in. Returns why not from one that podwire uses: one of others may not work, or not speak the
 * OpenFlow that podwire's flows would have been made by.
 */
export async function removeStrayFlows(
  configured: BridgeName,
  listed: readonly AttachmentName[],
  kernel: Kernel,
): Promise<string[]> {
  const { database } = configured;
  const [rows = []] = await ovsRows(database, [["--columns=name,external_ids", "list", "Bridge"]], kernel);
  const faults: string[] = [];
  for (const row of rows) {
    const at = { database, bridge: String(row["name"]) };
    try {
      await removeStrayFlowsOf(at, listed, kernel);
    } catch (error) {
      const isUsed = labelOf(row, ownerKey) === ownBridge || isSameBridge(at, configured) || isPlanned(at);
      if (isUsed) faults.push(`bridge ${at.bridge}: ${toCniError(error).details}`);
    }
  }
  return faults;
}

function isPlanned(at: BridgeName): boolean {
  const plans = recordedPlans();
  return (
    plans === undefined || plans.flat().some((object) => isOvsObject(object) && isSameBridge(object, at))
  );
}

async function removeStrayFlowsOf(
  at: BridgeName,
  listed: readonly AttachmentName[],
  kernel: Kernel,
): Promise<void> {
  const present = (await listFlows(at, ownCookies.all, kernel)).flatMap((line) => parseFlow(line) ?? []);
  // Read after the flows were: an ADD writes its record before it makes them.
  const plans = recordedPlans();
  if (plans === undefined) return;
  const names = [...listed, ...(await portAttachments(at.database, kernel))];
  const known = names.map(podCookie);
  const planned = plans
    .flat()
    .flatMap((object) => (object.kind === "ovs-flows" && isSameBridge(object, at) ? object.cookie : []));
  // Which bridge an attachment without a record is on nobody knows; the overlay's flows are no attachment's.
  const isAllKnown = names.every((name) => storedOf(name) !== undefined);
  const shared = [...(isAllKnown ? [] : [ownCookies.base]), ownCookies.overlay];
  const needed = new Set([...known, ...planned, ...shared].map(BigInt));
  const unneeded = new Set(
    present.map(({ cookie }) => cookie).filter((cookie) => !needed.has(BigInt(cookie))),
  );
  const trunks = [...unneeded].flatMap((cookie) => trunkVlanOf(cookie) ?? []);
  const stray = [...unneeded].filter((cookie) => trunkVlanOf(cookie) === undefined);
  if (stray.length > 0) await changeFlows(at, stray.map(removingFlowsLine), kernel);
  // Nor its trunk.
  if (!isAllKnown) return;
  await releaseTrunks(
    trunks.map((vlan) => sharedTrunk(at, vlan)),
    kernel,
  );
}

/** Attachments of all networks that have a link on the host, by the links' aliases. */
export async function linkedAttachments(kernel: Kernel): Promise<AttachmentName[]> {
  const [links] = await ipAsk("host", ["link show"], kernel);
  return (links ?? []).flatMap((link) => {
    const { ifname, ifalias } = link as { ifname?: string; ifalias?: string };
    if (ifname === undefined || ifalias === undefined || !hostLinkPattern.test(ifname)) return [];
    return parseLinkAlias(ifalias) ?? [];
  });
}
