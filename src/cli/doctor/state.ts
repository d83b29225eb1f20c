// podwire's own state on disk: whether it can be written, and whether it holds what no longer exists.
import fs from "node:fs";
import path from "node:path";
import { stateDirectory } from "../../attachment/record.ts";
import { type Finding, fault, fine, unchecked, warning } from "./finding.ts";
import type { Node } from "./node.ts";

/** Some hundred records. */
const leastFreeBytes = 4 * 1024 * 1024;

export async function checkState(node: Node): Promise<Finding[]> {
  return [checkDirectory(), checkRecords(node)];
}

function checkDirectory(): Finding {
  const check = "state directory";
  const directory = nearestExisting(stateDirectory);
  const breaks = "no pod can be wired or removed";
  try {
    fs.accessSync(directory, fs.constants.W_OK | fs.constants.X_OK);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "EACCES" && process.geteuid?.() !== 0) return unchecked(check, `${directory} is root's`);
    const found = `${directory} cannot be written (${code})`;
    return fault(check, found, breaks, "mount its filesystem writable");
  }
  const { bavail, bsize, files, ffree } = fs.statfsSync(directory);
  const isFull = bavail * bsize < leastFreeBytes || (files > 0 && ffree === 0);
  if (!isFull) return fine(check, stateDirectory);
  const found = `${directory}: ${Math.floor((bavail * bsize) / 1024)} KiB and ${ffree} inodes free`;
  return fault(check, found, breaks, "free space on its filesystem");
}

function checkRecords({ attachments }: Node): Finding {
  const check = "attachments";
  if ("unreadable" in attachments) return unchecked(check, attachments.unreadable);
  const dead = attachments.filter(({ condition }) => condition !== "wired" && condition !== "adding");
  const found = `${attachments.length} recorded, ${dead.length} of them stale, unfinished or torn`;
  if (dead.length === 0) return fine(check, found);
  return warning(check, found, "their addresses stay reserved", "see podwire gc --dry-run, then podwire gc");
}

function nearestExisting(directory: string): string {
  return fs.existsSync(directory) ? directory : nearestExisting(path.dirname(directory));
}
