// Finds out whether Open vSwitch can take a network's pods, and what plans must know of its bridge.
import fs from "node:fs";
import { CniError, ErrorCode } from "../../cni/error.ts";
import type { NetworkConfig } from "../../config/network.ts";
import type { OvsPortType, OvsSettings } from "../../datapath/datapath.ts";
import { gatewayMac } from "../../datapath/host-side.ts";
import { ipAsk } from "../../linux/ip.ts";
import type { Kernel } from "../../linux/kernel.ts";
import { hostLinkExists } from "../../linux/links.ts";
import { isPresent } from "../../linux/ovs/identity.ts";
import {
  type BridgeName,
  defaultDatabase,
  isSameBridge,
  listFlows,
  ovsRefused,
  ovsRows,
  requireSwitch,
} from "../../linux/ovs/ovs.ts";
import { idOf, labelOf, textOf } from "../../linux/ovs/rows.ts";
import { claimedBridge } from "../../node/claimed-bridge.ts";
import { tunnelOnBridge } from "../../overlay/fit.ts";
import { goneOfOthers } from "../../plan/ovs/apply.ts";
import { type BridgeInUse, isOfOthers } from "../../plan/ovs/bridge.ts";
import { ownBridge, ownCookies, ownerKey } from "../../plan/ovs/lines.ts";
import { isSwitchKind } from "../../plan/own.ts";
import type { OvsDatapathType } from "../../plan/plan.ts";
import { type Call, kernelOf } from "../call.ts";
import { liveAttachments } from "../liveness.ts";

const defaultBridge = "podwire0";

export function bridgeOf({ ovs }: Pick<NetworkConfig, "ovs">): BridgeName {
  return { database: ovs?.database ?? defaultDatabase, bridge: ovs?.bridge ?? defaultBridge };
}

/** Of a node that has Open vSwitch, whatever the network's datapath is now: it may have been another one before. */
export function presentDatabase(call: Call): string | undefined {
  const { database } = bridgeOf(call.config);
  return isPresent(database, kernelOf(call)) ? database : undefined;
}

/** Throws code 11 if Open vSwitch does not run, 107 if the bridge is not as the configuration says. */
export async function findBridge(
  { ovs = {} }: Pick<NetworkConfig, "ovs">,
  kernel: Kernel,
): Promise<BridgeInUse> {
  const at = bridgeOf({ ovs });
  const present = await readBridge(at, kernel);
  if (present === undefined && isOthers(at)) throw goneOfOthers(at);
  const datapathType = present?.datapathType ?? ovs.datapathType ?? "system";
  if (ovs.datapathType !== undefined && ovs.datapathType !== datapathType) {
    throw ovsRefused(
      `bridge ${at.bridge} has datapath_type ${datapathType}; expected ovs.datapathType = "${ovs.datapathType}". ` +
        "Change one of the two, or name another ovs.bridge",
    );
  }
  return {
    at,
    datapathType,
    ...(present === undefined ? {} : { row: present.row }),
    isForeign: present !== undefined && !present.isOwn,
    localMac: present?.localMac ?? gatewayMac,
  };
}

/** Throws as findBridge does, and code 7 for what pods cannot have on such a bridge. */
export async function ovsSettings(
  config: Pick<NetworkConfig, "ovs" | "overlay">,
  kernel: Kernel,
): Promise<OvsSettings> {
  const wanted = config.ovs ?? {};
  const bridge = await findBridge(config, kernel);
  const portType = wanted.portType ?? defaultPortType(bridge.datapathType);
  refuseUnfit(bridge.datapathType, portType, wanted.ingress !== undefined);
  const { rate, burst } = wanted.ingress ?? {};
  const tunnel = tunnelOnBridge(config);
  return {
    ...bridge,
    portType,
    antiSpoofing: wanted.antiSpoofing ?? true,
    vlan: wanted.vlan ?? 0,
    trunk: wanted.trunk ?? [],
    // A tenth is what Open vSwitch recommends (ovs-vswitchd.conf.db(5), ingress_policing_burst).
    ...(rate === undefined ? {} : { ingress: { rate, burst: burst ?? Math.ceil(rate / 10) } }),
    ...(tunnel === undefined ? {} : { tunnel }),
    labels: {},
  };
}

/**
 * For STATUS: throws code 11 if Open vSwitch does not run, 107 if it could not make the network's bridge, or does not take
 * podwire's flows for it.
 */
export async function requireBridge({ at, datapathType, row }: BridgeInUse, kernel: Kernel): Promise<void> {
  await requireSwitch(at.database, kernel);
  const isThere = hostLinkExists(at.bridge);
  if (isThere && row !== undefined) {
    await listFlows(at, `${ownCookies.base}/-1`, kernel);
    return;
  }
  const what = `bridge ${at.bridge} (datapath_type ${datapathType})`;
  if (datapathType === "system" && !(await hasSwitchModule(kernel))) {
    throw ovsRefused(
      `${what}: the kernel has no module openvswitch; install it and restart ovs-vswitchd, ` +
        'or set ovs.datapathType to "netdev"',
    );
  }
  if (datapathType === "netdev" && !fs.existsSync(tunDevice)) {
    throw ovsRefused(`${what}: there is no ${tunDevice}, by which it would have links; modprobe tun`);
  }
  if (!isThere) return;
  const [links] = await ipAsk("host", [`link show dev ${at.bridge}`], kernel);
  const { linkinfo } = (links?.[0] ?? {}) as { linkinfo?: { info_kind?: string } };
  // One of Open vSwitch's comes and goes a moment after the database has said so.
  if (links?.[0] === undefined || isSwitchKind(linkinfo?.info_kind)) return;
  throw ovsRefused(
    `${what}: the host has a ${linkinfo?.info_kind ?? "physical"} link of that name already; ` +
      "name another ovs.bridge, or rename the link",
  );
}

const tunDevice = "/dev/net/tun";

/** Loaded or built in, else to be loaded; where nobody can tell it is taken to be there. */
async function hasSwitchModule(kernel: Kernel): Promise<boolean> {
  if (fs.existsSync("/sys/module/openvswitch")) return true;
  const { isInstalled } = await import("../../kernel-module/host.ts");
  return (await isInstalled("openvswitch", kernel)) ?? true;
}

/** Of a bridge in userspace only its own links have whole checksums. */
function defaultPortType(datapathType: OvsDatapathType): OvsPortType {
  return datapathType === "netdev" ? "internal" : "veth";
}

function refuseUnfit(datapathType: OvsDatapathType, portType: OvsPortType, isPoliced: boolean): void {
  if (datapathType === "netdev" && portType === "veth") {
    throw invalid(
      'ovs.portType = "veth" with ovs.datapathType = "netdev": what a pod sends by veth reaches a bridge in ' +
        'userspace with its checksum unfinished, and no TCP works; expected "internal"',
    );
  }
  if (isPoliced && portType === "internal") {
    throw invalid(
      'ovs.ingress with ovs.portType = "internal": the kernel drops a link\'s policing when it moves to the ' +
        'pod; remove ovs.ingress, or use ovs.portType "veth"',
    );
  }
}

/** By what the overlay and live pods that are on it say of it. */
function isOthers(at: BridgeName): boolean {
  const claimed = claimedBridge();
  if (claimed?.foreign && isSameBridge(claimed, at)) return true;
  return liveAttachments().some(({ plan }) => isOfOthers(plan, at));
}

interface PresentBridge {
  /** Another one is another bridge to pods that are on it. */
  readonly row: string;
  readonly datapathType: OvsDatapathType;
  /** Whether podwire made it. */
  readonly isOwn: boolean;
  readonly localMac: string | undefined;
}

async function readBridge(
  { database, bridge }: BridgeName,
  kernel: Kernel,
): Promise<PresentBridge | undefined> {
  const questions = [
    ["--columns=_uuid,datapath_type,external_ids", "--if-exists", "list", "Bridge", bridge],
    ["--columns=mac_in_use", "--if-exists", "list", "Interface", bridge],
  ];
  const [[row] = [], [local] = []] = await ovsRows(database, questions, kernel);
  if (row === undefined) return undefined;
  const isOwn = labelOf(row, ownerKey) === ownBridge;
  const mac = textOf(local?.["mac_in_use"]);
  return {
    // Of others' bridges the MAC is in pods' flows, and theirs to change.
    row: isOwn ? idOf(row) : `${idOf(row)} ${mac ?? ""}`,
    isOwn,
    datapathType: row["datapath_type"] === "netdev" ? "netdev" : "system",
    // One of podwire's own may not have its MAC yet.
    localMac: isOwn ? gatewayMac : mac,
  };
}

/** Empty if there is no such bridge. */
export async function bridgeRow(at: BridgeName, kernel: Kernel): Promise<string> {
  return (await readBridge(at, kernel))?.row ?? "";
}

function invalid(details: string): CniError {
  return new CniError(ErrorCode.invalidConfig, "invalid network configuration", `config: ${details}`);
}
