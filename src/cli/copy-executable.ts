// Puts a copy of an executable in the place of another that may be running: writing into that one would be
// refused ("text file busy"), renaming over it is not.
import fs from "node:fs";
import path from "node:path";
import { temporaryName } from "../linux/files.ts";

/** Small, because the page cache maps what was written at once in large folios: +35 MB resident. */
const chunkBytes = 64 * 1024;

export function copyExecutable(source: string, target: string): void {
  const temporary = temporaryName(target);
  fs.rmSync(temporary, { force: true });
  try {
    writeCopy(source, temporary);
    fs.renameSync(temporary, target);
  } catch (error) {
    fs.rmSync(temporary, { force: true });
    throw error;
  }
  syncDirectory(path.dirname(target));
}

function writeCopy(source: string, target: string): void {
  const from = fs.openSync(source, "r");
  try {
    const to = fs.openSync(target, "wx", 0o755);
    try {
      copyChunks(from, to);
      // Whatever the umask.
      fs.fchmodSync(to, 0o755);
      fs.fsyncSync(to);
    } finally {
      fs.closeSync(to);
    }
  } finally {
    fs.closeSync(from);
  }
}

function copyChunks(from: number, to: number): void {
  const buffer = Buffer.allocUnsafe(chunkBytes);
  for (let length = fs.readSync(from, buffer); length > 0; length = fs.readSync(from, buffer)) {
    for (let written = 0; written < length; ) written += fs.writeSync(to, buffer, written, length - written);
  }
}

/** So that the new name outlives a power cut. */
function syncDirectory(directory: string): void {
  const descriptor = fs.openSync(directory, "r");
  try {
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}
