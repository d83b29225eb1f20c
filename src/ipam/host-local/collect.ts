// GC's part: releases leases that belong to no valid attachment. The reference creates a lease and then
// writes it, so one without an owner may be about to get one and is left alone until it is old; a lease made
// after the list of valid attachments is unknown to it and left alone too.
import { lstatSync, type Stats } from "node:fs";
import path from "node:path";
import { CniError, ErrorCode, toCniError } from "../../cni/error.ts";
import type { AttachmentKey } from "../ipam.ts";
import { leaseContent, parseOwner, reservedIp } from "./lease.ts";
import { listNames, maxFileSize, readSmallFile, removeFile, temporaryPrefix } from "./store.ts";

/** Milliseconds after which a file is taken for the remains of a crash; a call lasts some at most. */
const staleAge = 60_000;

export function collect(directory: string, valid: readonly AttachmentKey[], listed: number): void {
  const attachments = new Set(valid.map(leaseContent));
  const containers = new Set(valid.map((key) => key.containerID));
  const isValid = (content: string) => attachments.has(content) || containers.has(content);

  const faults: string[] = [];
  for (const name of listNames(directory)) {
    const file = path.join(directory, name);
    try {
      if (isGarbage(name, file, isValid, listed)) removeFile(file);
    } catch (error) {
      faults.push(toCniError(error).details);
    }
  }
  if (faults.length > 0) {
    const msg = "some leases could not be collected";
    throw new CniError(ErrorCode.incomplete, msg, `in ${directory}: ${faults.join("; ")}`);
  }
}

function isGarbage(
  name: string,
  file: string,
  isValid: (content: string) => boolean,
  listed: number,
): boolean {
  const isTemporary = name.startsWith(temporaryPrefix);
  if (!isTemporary && reservedIp(name) === undefined) return false;
  const content = readSmallFile(file)?.trim();
  // Only after reading: if the lease has changed hands since, its change time tells.
  const stats = lstatSync(file, { throwIfNoEntry: false });
  if (stats === undefined || !stats.isFile()) return false;
  const isStale = listed - stats.mtimeMs > staleAge;
  if (isTemporary) return isStale;
  if (stats.size > maxFileSize) return false;
  if (content === undefined) throw unreadable(file);
  if (isValid(content)) return false;
  const hasWholeOwner = parseOwner(content)?.ifname !== undefined;
  return hasWholeOwner ? wasThere(stats, listed) : isStale;
}

/** Linking a lease sets its change time, which nobody can set back. */
function wasThere(stats: Stats, listed: number): boolean {
  return Math.floor(stats.ctimeMs) <= listed;
}

function unreadable(file: string): CniError {
  const details = `${file} cannot be read, so its owner is unknown; make it readable or remove it`;
  return new CniError(ErrorCode.io, "a lease cannot be read", details);
}
