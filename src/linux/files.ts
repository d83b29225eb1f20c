// Files that are written whole or not at all.
import fs from "node:fs";
import path from "node:path";

/** What says nothing any more after the next boot. */
export const runDirectory = "/run/podwire";

/** Replaces `file`: readers see the old content or the new, also after a power cut. */
export function replaceFile(file: string, content: string | Uint8Array, mode = 0o600): void {
  const temporary = writeTemporary(file, content, mode, true);
  try {
    fs.renameSync(temporary, file);
  } catch (error) {
    fs.rmSync(temporary, { force: true });
    throw error;
  }
}

/** Makes `file` unless it exists, whole but not yet durable. Returns whether it was made. */
export function createFile(file: string, content: string, mode = 0o600): boolean {
  const temporary = writeTemporary(file, content, mode, false);
  try {
    return linkUnlessExists(temporary, file);
  } finally {
    fs.rmSync(temporary, { force: true });
  }
}

/** Gives the file `from` the further name `to`. Returns false if that name is taken. */
export function linkUnlessExists(from: string, to: string): boolean {
  try {
    fs.linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** Text of a regular file. What else a name may lead to could block (a FIFO) or never end (/dev/zero). */
export function readRegularFile(file: string, maxBytes = 1024 * 1024): string {
  const descriptor = fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
  try {
    const stat = fs.fstatSync(descriptor);
    if (!stat.isFile()) throw new Error(`${file} is not a regular file`);
    if (stat.size > maxBytes) throw new Error(`${file} has ${stat.size} bytes; expected at most ${maxBytes}`);
    return fs.readFileSync(descriptor, "utf8");
  } finally {
    fs.closeSync(descriptor);
  }
}

/** Where this process writes what is to become `file`. */
export function temporaryName(file: string): string {
  return path.join(path.dirname(file), `${temporaryStart(file)}${process.pid}.tmp`);
}

/** The process that was writing the temporary file `entry` for `file`; undefined if `entry` is none for it. */
export function temporaryWriter(entry: string, file: string): number | undefined {
  const start = temporaryStart(file);
  const pid = entry.startsWith(start) ? /^([0-9]+)\.tmp$/.exec(entry.slice(start.length))?.[1] : undefined;
  return pid === undefined ? undefined : Number(pid);
}

/** With its parents. Node's own recursive mkdir reports a read-only file system as a missing one. */
export function makeDirectory(directory: string, mode: number): void {
  try {
    fs.mkdirSync(directory, { mode });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST" && fs.statSync(directory).isDirectory()) return;
    if (code !== "ENOENT") throw error;
    makeDirectory(path.dirname(directory), mode);
    makeDirectory(directory, mode);
  }
}

function temporaryStart(file: string): string {
  return `.${path.basename(file)}.`;
}

function writeTemporary(file: string, content: string | Uint8Array, mode: number, durable: boolean): string {
  const temporary = temporaryName(file);
  fs.rmSync(temporary, { force: true });
  const descriptor = fs.openSync(temporary, "wx", mode);
  try {
    fs.writeFileSync(descriptor, content);
    if (durable) fs.fsyncSync(descriptor);
  } catch (error) {
    fs.rmSync(temporary, { force: true });
    throw error;
  } finally {
    fs.closeSync(descriptor);
  }
  return temporary;
}
