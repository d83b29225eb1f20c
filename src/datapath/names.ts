// Names and MAC addresses that follow from an attachment's name, so that DEL finds links without state.
import type { IpvlanFlag, IpvlanMode } from "../plan/plan.ts";
import type { AttachmentName } from "./datapath.ts";

/** Host links of podwire, and nobody else's, look like this. */
export const hostLinkPattern = /^pw[0-9a-f]{13}$/;

/** The host's own slaves of an ipvlan master, one per mode and flag; "i" is no hexadecimal digit. */
export const hostSlavePattern = /^pwi[23s][bpv][0-9a-f]{8}$/;

export function hostSlaveName(master: string, mode: IpvlanMode, flag: IpvlanFlag): string {
  return `pwi${mode.at(-1)}${flag[0]}${fnv1a(master).toString(16).padStart(16, "0").slice(0, 8)}`;
}

/** The host's own links to VLANs of a bridge; "v" is no hexadecimal digit. */
export const hostVlanPattern = /^pwv[0-9a-f]{11}$/;

export function hostVlanName(bridge: string, vlan: number): string {
  return `pwv${vlan.toString(16).padStart(3, "0")}${fnv1a(bridge).toString(16).padStart(16, "0").slice(0, 8)}`;
}

/** 52 bits of a hash: a collision among 1,000 pods of a node is as likely as 1 in 9 thousand million. */
export function hostLinkName(name: AttachmentName): string {
  return `pw${digest(name).slice(0, 13)}`;
}

/** The last 48 bits of the cookie that the attachment's flows have. */
export function cookieOf(name: AttachmentName): string {
  return digest(name).slice(0, 12);
}

/** A locally administered unicast address (IEEE 802 section 8). */
export function derivedMac(name: AttachmentName): string {
  const octets = digest(name).slice(-10).match(/../g) ?? [];
  return ["0a", ...octets].join(":");
}

const aliasPrefix = "podwire:";

/** What the kernel keeps as the link's alias: tells GC and people whose link it is. */
export function linkAlias(name: AttachmentName): string {
  return `${aliasPrefix}${attachmentLabel(name)}`;
}

/** The attachment whose link has this alias. */
export function parseLinkAlias(alias: string): AttachmentName | undefined {
  return alias.startsWith(aliasPrefix) ? parseAttachmentLabel(alias.slice(aliasPrefix.length)) : undefined;
}

/** The name in one text, as the attachment's port in Open vSwitch has it under podwire's key. */
export function attachmentLabel({ network, containerID, ifname }: AttachmentName): string {
  return `${network}/${containerID}/${ifname}`;
}

export function parseAttachmentLabel(label: string): AttachmentName | undefined {
  const match = /^([^/]+)\/([^/]+)\/([^/]+)$/.exec(label);
  if (match === null) return undefined;
  const [, network = "", containerID = "", ifname = ""] = match;
  return { network, containerID, ifname };
}

/** A number below `limit` that is the same for the same name. */
export function nameRank(name: string, limit: number): number {
  return Number(fnv1a(name) % BigInt(limit));
}

function digest({ network, containerID, ifname }: AttachmentName): string {
  return fnv1a([network, containerID, ifname].join("\0")).toString(16).padStart(16, "0");
}

/**
 * FNV-1a with 64 bits. Nothing here needs a cryptographic hash, and loading node:crypto would add 2 ms to
 * every start.
 */
function fnv1a(text: string): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(text)) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash;
}
