// Leases: which files of a store they are and whose. Old versions of the reference plugin wrote the
// container id alone; such a lease belongs to a container, whatever its interface.
import path from "node:path";
import { type Ip, parseIp } from "../../address/ip.ts";
import { identifier, interfaceNameFault } from "../../cni/environment.ts";
import type { AttachmentKey } from "../ipam.ts";
import { newBuffer, readSmallFile } from "./store.ts";

const lineBreak = "\r\n";

/** Cheaper than parsing, and rules out the other files of a store. */
const looksLikeIp = /^[0-9a-f:]/i;

/** `ifname` is absent in the old format. */
export interface Owner {
  readonly containerID: string;
  readonly ifname?: string;
}

/** Names of the lease files of one owner. */
export interface OwnedLeases {
  /** Of the container and its interface. */
  readonly exact: string[];
  /** Old format: of the container. */
  readonly ofContainer: string[];
}

export function leaseContent(key: AttachmentKey): string {
  return key.containerID + lineBreak + key.ifname;
}

/** Undefined if `content` is torn, or was never a lease. */
export function parseOwner(content: string): Owner | undefined {
  const [containerID = "", ifname, ...rest] = content.trim().split(lineBreak);
  if (rest.length > 0 || !identifier.test(containerID)) return undefined;
  if (ifname === undefined) return { containerID };
  return interfaceNameFault(ifname) === undefined ? { containerID, ifname } : undefined;
}

/** The address a file of the store reserves; undefined for the files that are no leases. */
export function reservedIp(name: string): Ip | undefined {
  return looksLikeIp.test(name) ? parseIp(name) : undefined;
}

/** Reads every lease; what cannot be read belongs to somebody else. */
export function findLeases(directory: string, names: readonly string[], key: AttachmentKey): OwnedLeases {
  const exact = leaseContent(key);
  const found: OwnedLeases = { exact: [], ofContainer: [] };
  const buffer = newBuffer();
  for (const name of names) {
    if (!looksLikeIp.test(name)) continue;
    const content = readSmallFile(path.join(directory, name), buffer)?.trim();
    if (content !== exact && content !== key.containerID) continue;
    if (reservedIp(name) !== undefined) (content === exact ? found.exact : found.ofContainer).push(name);
  }
  return found;
}

/** Who reserved the address, for people. */
export function describeHolder(directory: string, name: string): string {
  const content = readSmallFile(path.join(directory, name));
  const owner = content === undefined ? undefined : parseOwner(content);
  if (owner === undefined) return `${path.join(directory, name)}, which is no readable lease`;
  if (owner.ifname === undefined) return `container ${owner.containerID}`;
  return `container ${owner.containerID}, interface ${owner.ifname}`;
}
