// Who may take an attachment away. Removing begins by renaming the record to a name with the remover's
// identity: a rename succeeds for one process only, so no two ever undo the same attachment. An ADD that
// finds removals under way waits for them before it begins. Node has no flock; this needs none.
import fs from "node:fs";
import path from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { AttachmentName } from "../datapath/datapath.ts";
import { linkUnlessExists } from "../linux/files.ts";
import {
  formatIdentity,
  isRunning,
  ownIdentity,
  type ProcessIdentity,
  parseIdentity,
} from "../linux/process.ts";
import { isBeingAdded, isWithinCall } from "./liveness.ts";
import {
  type AttachmentRecord,
  inNetworkDirectory,
  listDirectory,
  networkDirectory,
  readRecord,
  readRecordFile,
  recordFile,
  type StoredRecord,
} from "./record.ts";

/** A file that says that the attachment exists, or did. */
export interface Claim {
  readonly file: string;
  readonly text: string;
  readonly stored: AttachmentRecord | "torn";
  /** Number of the live process that is adding or removing the attachment. */
  readonly busyProcess?: number;
  /** Somebody began to remove the attachment, and is not through. */
  readonly isBegun?: true;
  /** The one that did, if it is dead, but for its programs. */
  readonly deadRemover?: ProcessIdentity;
}

/** What there is of an attachment: a record, and removals that were begun. */
export function claimsOn(name: AttachmentName): Claim[] {
  return [...removalsOf(name), ...recordOf(name)];
}

/** Its record, or that of a removal that was begun. */
export function storedOf(name: AttachmentName): StoredRecord {
  return readRecord(name) ?? claimsOn(name)[0]?.stored;
}

/** Removals that were begun: by a process that is still at it, by one that was killed, or by one that failed late. */
export function removalsOf(name: AttachmentName): Claim[] {
  const directory = networkDirectory(name.network);
  const start = removalStart(name);
  return listDirectory(directory)
    .filter((entry) => entry.startsWith(start) && entry.endsWith(removalEnd))
    .flatMap((entry) => {
      const file = path.join(directory, entry);
      const read = readRecordFile(file, name);
      const remover = parseIdentity(entry.slice(start.length, -removalEnd.length));
      if (read === undefined) return [];
      const begun = { file, ...read, isBegun: true } as const;
      if (formatIdentity(remover) === formatIdentity(ownIdentity())) return [begun];
      const isBusy = isRunning(remover) ?? isWithinCall(changedAt(file), timeoutOf(read.stored));
      return [{ ...begun, ...(isBusy ? { busyProcess: remover.pid } : { deadRemover: remover }) }];
    });
}

/** Makes a claim ours to remove. Returns its new file, or undefined if it has changed since it was read. */
export function seize(claim: Claim, name: AttachmentName): string | undefined {
  const mine = ownRemoval(name);
  if (claim.file === mine) return mine;
  try {
    fs.renameSync(claim.file, mine);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  if (readRecordFile(mine, name)?.text === claim.text) return mine;
  restore(mine, claim.file, name);
  return undefined;
}

/**
 * Announces the removal of what has no record: ADDs of its name wait until the file that is returned is gone. Where none can be
 * made, as on a full disk, they do not.
 */
export function announceRemoval(name: AttachmentName): string {
  const mine = ownRemoval(name);
  try {
    inNetworkDirectory(name, () => fs.writeFileSync(mine, ""));
  } catch {
    // No reason to leave anything.
  }
  return mine;
}

function ownRemoval(name: AttachmentName): string {
  const entry = removalStart(name) + formatIdentity(ownIdentity()) + removalEnd;
  return path.join(networkDirectory(name.network), entry);
}

function timeoutOf(stored: AttachmentRecord | "torn"): unknown {
  return stored === "torn" ? undefined : stored.rawConfig["timeout"];
}

/** When the file was renamed, in milliseconds of the epoch. */
function changedAt(file: string): number {
  return fs.statSync(file, { throwIfNoEntry: false })?.ctimeMs ?? 0;
}

/** What was seized by mistake is a live ADD's record: it comes back, also over one made in between (isHeld). */
function restore(mine: string, original: string, name: AttachmentName): void {
  const isBack = linkUnlessExists(mine, original);
  const [seized, current] = [mine, original].map((file) => readRecordFile(file, name)?.stored);
  const isRewritten = isDeepStrictEqual(writerOf(current), writerOf(seized));
  if (isBack || isRewritten) fs.rmSync(mine, { force: true });
  else fs.renameSync(mine, original);
}

/** Ends a removal that failed early: the attachment has its record again, unless a new ADD waits to take over. */
export function abandon(mine: string, name: AttachmentName): void {
  if (linkUnlessExists(mine, recordFile(name))) fs.rmSync(mine, { force: true });
}

/** Whether the attachment's record is still the one that was created. */
export function isHeld(record: AttachmentRecord): boolean {
  const stored = readRecordFile(recordFile(record), record)?.stored;
  return isDeepStrictEqual(writerOf(stored), record.writer);
}

/** Whether two claims come from the same ADD. */
export function isSameWriter(one: Claim, other: Claim): boolean {
  return isDeepStrictEqual(writerOf(one.stored), writerOf(other.stored));
}

function writerOf(stored: AttachmentRecord | "torn" | undefined): ProcessIdentity | undefined {
  return stored === "torn" ? undefined : stored?.writer;
}

function recordOf(name: AttachmentName): Claim[] {
  const file = recordFile(name);
  const read = readRecordFile(file, name);
  if (read === undefined) return [];
  const { stored } = read;
  const isBusy = stored !== "torn" && isBeingAdded(stored);
  return [{ file, ...read, ...(isBusy ? { busyProcess: stored.writer.pid } : {}) }];
}

const removalEnd = ".removing";

function removalStart(name: AttachmentName): string {
  return `.${path.basename(recordFile(name))}.`;
}
