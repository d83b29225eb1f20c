// The store on disk, shared with the reference plugin: one file per reserved address, named by it. The
// reference serialises itself with flock, which Node has not; a hard link made under the final name is as
// exclusive as its O_EXCL create, and shows the file only when it is complete.
import fs from "node:fs";
import path from "node:path";
import { CniError, ErrorCode } from "../../cni/error.ts";
import { makeDirectory } from "../../linux/files.ts";
import type { AttachmentKey } from "../ipam.ts";

/** The dot and the letters keep it from ever being an address. */
export const temporaryPrefix = ".podwire-";

/** What the temporary files made for an attachment begin with: a killed ADD leaves them to its DEL. */
export function temporaryPrefixOf({ containerID, ifname }: AttachmentKey): string {
  return `${temporaryPrefix}${containerID}:${ifname}:`;
}

/** Longer than any lease (a container id, a line break, an interface name): what exceeds it is no lease. */
export const maxFileSize = 512;

/** Opening neither follows a link nor waits for the other end of a FIFO. */
const openFlags = fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK;

/** File names in the store; none where there is no directory, because then there are no leases either. */
export function listNames(directory: string): string[] {
  try {
    return fs.readdirSync(directory);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return [];
    throw storeError("read", directory, error);
  }
}

/** The file's bytes, one per character; undefined if it is missing, unreadable, no file, or too long. */
export function readSmallFile(file: string, buffer: Buffer = newBuffer()): string | undefined {
  let descriptor: number | undefined;
  try {
    descriptor = fs.openSync(file, openFlags);
    const length = fs.readSync(descriptor, buffer, 0, buffer.length, null);
    return length > maxFileSize ? undefined : buffer.toString("latin1", 0, length);
  } catch {
    return undefined;
  } finally {
    if (descriptor !== undefined) fs.closeSync(descriptor);
  }
}

/** For reading many files with one buffer. */
export function newBuffer(): Buffer {
  return Buffer.allocUnsafe(maxFileSize + 1);
}

/** Creates the first of the files `names` that does not exist, and says which; undefined if all exist. */
export function createFirst(
  directory: string,
  names: Iterable<string>,
  content: string,
  temporaryStart: string,
): string | undefined {
  const temporary = writeTemporary(directory, content, temporaryStart);
  try {
    for (const name of names) if (linkNew(temporary, path.join(directory, name))) return name;
    return undefined;
  } finally {
    removeQuietly(temporary);
  }
}

/** Whether it could be made; false if something has that name already. */
function linkNew(from: string, to: string): boolean {
  try {
    fs.linkSync(from, to);
    return true;
  } catch (error) {
    if (isErrno(error, "EEXIST")) return false;
    throw storeError("create", to, error);
  }
}

export function replaceFile(directory: string, name: string, content: string, temporaryStart: string): void {
  const file = path.join(directory, name);
  const temporary = writeTemporary(directory, content, temporaryStart);
  try {
    fs.renameSync(temporary, file);
  } catch (error) {
    removeQuietly(temporary);
    throw storeError("replace", file, error);
  }
}

/** Succeeds if the file is gone already. */
export function removeFile(file: string): void {
  try {
    fs.unlinkSync(file);
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw storeError("remove", file, error);
  }
}

/** Throws what would keep an ADD from writing to the store. */
export function probeWriting(directory: string): void {
  removeFile(writeTemporary(directory, "probe", temporaryPrefix));
}

function writeTemporary(directory: string, content: string, start: string): string {
  const unique = `${process.pid}-${process.hrtime.bigint().toString(36)}`;
  const file = path.join(directory, start + unique);
  const descriptor = createFile(file, directory);
  try {
    fs.writeFileSync(descriptor, content);
  } catch (error) {
    removeQuietly(file);
    throw storeError("write", file, error);
  } finally {
    fs.closeSync(descriptor);
  }
  return file;
}

/** The directory nearly always exists, so it is made only if the file cannot be. */
function createFile(file: string, directory: string): number {
  try {
    return fs.openSync(file, "wx", 0o600);
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw storeError("create", file, error);
  }
  try {
    makeDirectory(directory, 0o755);
    return fs.openSync(file, "wx", 0o600);
  } catch (error) {
    throw storeError("create", directory, error);
  }
}

export function removeQuietly(file: string): void {
  try {
    fs.unlinkSync(file);
  } catch {
    // On the way out of another error, or of a success; gc removes what stays.
  }
}

function storeError(action: string, file: string, error: unknown): CniError {
  const reason = error instanceof Error ? error.message : String(error);
  const details = `cannot ${action} ${file}: ${reason}. ${remedy(error)}`;
  return new CniError(ErrorCode.io, "the address store cannot be used", details, { cause: error });
}

function remedy(error: unknown): string {
  if (isErrno(error, "ENOSPC", "EDQUOT")) return "Free space or inodes on that filesystem";
  if (isErrno(error, "EROFS")) return "Mount the filesystem writable or set ipam.dataDir to one that is";
  if (isErrno(error, "ENOTDIR", "EEXIST")) return "Remove the file that stands in the place of a directory";
  if (isErrno(error, "EACCES")) return "Run podwire as root, or give it the right to write there";
  if (isErrno(error, "EPERM"))
    return "Check the file's attributes, and that its filesystem supports hard links";
  return "Check ipam.dataDir and the filesystem it is on";
}

function isErrno(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && codes.includes((error as NodeJS.ErrnoException).code ?? "");
}
