// The end of labs: those that are stopped, and those whose owners are gone.
import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isRunning } from "../../../src/linux/process.ts";
import { LabError } from "../failure.ts";
import { run } from "../host/run.ts";
import {
  directoryOf,
  isAbandoned,
  type LabRecord,
  labs,
  names,
  readRecord,
  registryDirectory,
} from "./record.ts";
import { removals, unfinished, unfinishedName } from "./unfinished.ts";

/** Ends and removes what labs left whose owners are gone. Returns their names. */
export async function sweep(disksDirectory: string): Promise<string[]> {
  const abandoned = labs().filter(isAbandoned);
  for (const record of abandoned) await remove(record);
  await finishUnfinished();
  // Listed before the labs are: a lab is entered before it has disks.
  const entries = fs.existsSync(disksDirectory) ? fs.readdirSync(disksDirectory) : [];
  const known = new Set([...labs(), ...removals()].map(({ disks }) => disks));
  for (const entry of entries) {
    const disks = path.join(disksDirectory, entry);
    if (!known.has(disks)) fs.rmSync(disks, { recursive: true, force: true });
  }
  return abandoned.map(({ name }) => name);
}

/**
 * Ends every process of the lab by its id and removes the namespace, disks and keys. Whoever renames the lab's
 * directory does it; for all others there is nothing left to do.
 */
export async function remove(record: LabRecord, keepLogs?: (record: LabRecord) => void): Promise<void> {
  const claimed = path.join(registryDirectory, unfinishedName("removing", record.name));
  try {
    fs.renameSync(record.directory, claimed);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  if (readRecord(claimed)?.started !== record.started) {
    // Somebody removed that lab, and this one came after it.
    fs.renameSync(claimed, record.directory);
    return;
  }
  try {
    keepLogs?.(record);
  } finally {
    await finishRemoval(record, claimed);
  }
}

async function finishRemoval({ netns, disks }: LabRecord, claimed: string): Promise<void> {
  const file = `/run/netns/${netns}`;
  if (fs.existsSync(file)) {
    const { ino } = fs.statSync(file);
    await endProcesses(netns);
    await run(["ip", "netns", "delete", netns]);
    // One that was started in between holds a namespace that has no name any more.
    for (const pid of processesIn(ino)) kill(pid);
  }
  fs.rmSync(disks, { recursive: true, force: true });
  fs.rmSync(claimed, { recursive: true, force: true });
}

/** Finishes what killed processes had begun. */
async function finishUnfinished(): Promise<void> {
  for (const name of names()) {
    // A lab is entered with its record: without one it is what was left of it.
    const directory = directoryOf(name);
    if (readRecord(directory) === undefined) fs.rmSync(directory, { recursive: true, force: true });
  }
  for (const { directory, what, owner } of unfinished()) {
    if (isRunning(owner) !== false) continue;
    const record = what === "removing" ? readRecord(directory) : undefined;
    if (record === undefined) fs.rmSync(directory, { recursive: true, force: true });
    else await remove({ ...record, directory });
  }
}

async function endProcesses(netns: string): Promise<void> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const pids = (await run(["ip", "netns", "pids", netns])).split("\n").filter(Boolean);
    if (pids.length === 0) return;
    if (Date.now() > deadline) throw new LabError(`processes ${pids.join(", ")} of ${netns} do not end`);
    for (const pid of pids) kill(Number(pid));
    await sleep(50);
  }
}

function processesIn(netns: number): number[] {
  const pids = fs.readdirSync("/proc").filter((entry) => /^[0-9]+$/.test(entry));
  return pids.map(Number).filter((pid) => {
    try {
      return fs.statSync(`/proc/${pid}/ns/net`).ino === netns;
    } catch {
      return false;
    }
  });
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended by itself.
  }
}
