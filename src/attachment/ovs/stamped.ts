// Which ovs-vswitchd and which row each bridge with pods had when somebody last looked: one file for each, gone with the
// machine's next start.
import fs from "node:fs";
import path from "node:path";
import { makeDirectory, replaceFile, runDirectory } from "../../linux/files.ts";
import type { BridgeName } from "../../linux/ovs/ovs.ts";
import { listDirectory } from "../record.ts";

const prefix = "switch-";

export interface Stamp extends BridgeName {
  /** Of the switch. */
  readonly identity: string;
  /** The bridge's, in the database. */
  readonly row: string;
  /** Pods that could not be repaired. */
  readonly unmended?: Unmended;
}

interface Unmended {
  /** Files of their records. */
  readonly pods: readonly string[];
  /** When that was found first, in seconds since boot; and when they were tried last. */
  readonly since: number;
  readonly triedAt: number;
}

export function stampOf(at: BridgeName): Stamp | undefined {
  return readStamp(fileOf(at));
}

export function allStamps(): Stamp[] {
  const names = listDirectory(runDirectory).filter((name) => name.startsWith(prefix));
  return names.flatMap((name) => readStamp(path.join(runDirectory, name)) ?? []);
}

export function writeStamp(stamp: Stamp): void {
  makeDirectory(runDirectory, 0o700);
  replaceFile(fileOf(stamp), JSON.stringify(stamp));
}

/** No switch is it. */
export const noIdentity = "";

/** For when the bridge has no pods any more. */
export function forgetSwitch(at: BridgeName): void {
  fs.rmSync(fileOf(at), { force: true });
}

function fileOf({ bridge }: BridgeName): string {
  return path.join(runDirectory, prefix + bridge);
}

/** undefined also of one that another podwire wrote. */
function readStamp(file: string): Stamp | undefined {
  try {
    const stamp = JSON.parse(fs.readFileSync(file, "utf8")) as Stamp | null;
    return typeof stamp?.database === "string" && typeof stamp.bridge === "string" ? stamp : undefined;
  } catch {
    return undefined;
  }
}
