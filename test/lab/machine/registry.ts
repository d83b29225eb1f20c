// The labs of this machine, one directory each. A lab is entered before anything of it is made and leaves
// after everything of it is gone, so that whatever a killed owner left is found and removed by the next.
import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  formatIdentity,
  isRunning,
  ownIdentity,
  type ProcessIdentity,
  parseIdentity,
} from "../../../src/linux/process.ts";
import { LabError } from "../failure.ts";
import { run } from "../host/run.ts";

/** In memory: a reboot ends all labs. */
const registryDirectory = "/run/podwire-lab";

export interface LabRecord {
  readonly name: string;
  /** Name of the network namespace that holds all processes of the lab. */
  readonly netns: string;
  /** Keys and sockets. */
  readonly directory: string;
  /** Disks and consoles. */
  readonly disks: string;
  /** Its end is the lab's end; undefined for a lab that stays until it is taken down. */
  readonly owner?: ProcessIdentity;
  readonly kernel: string;
  readonly accelerator: string;
  readonly nodes: number;
  readonly memory: number;
  /** ISO 8601. */
  readonly started: string;
}

export type LabPlan = Pick<LabRecord, "name" | "kernel" | "accelerator" | "nodes" | "memory"> & {
  /** Directory for disks and consoles of all labs. */
  readonly disksDirectory: string;
};

const namePattern = /^[a-z0-9][a-z0-9-]{0,39}$/;

/** Throws if the name is taken, be it by another lab or by a network namespace that is none of a lab. */
export async function enter(plan: LabPlan): Promise<LabRecord> {
  const { name, disksDirectory, ...rest } = plan;
  const directory = directoryOf(name);
  const record: LabRecord = {
    ...rest,
    name,
    netns: `pwlab-${name}`,
    directory,
    disks: path.join(disksDirectory, name),
    owner: ownIdentity(),
    started: new Date().toISOString(),
  };
  fs.mkdirSync(registryDirectory, { recursive: true, mode: 0o700 });
  await outlastRemovals(name);
  const prepared = path.join(registryDirectory, unfinishedName("entering", name));
  fs.mkdirSync(prepared);
  write(prepared, record);
  try {
    // An existing lab's directory is not empty, so it is not replaced.
    fs.renameSync(prepared, directory);
  } catch (error) {
    fs.rmSync(prepared, { recursive: true });
    throw new LabError(
      `there is a lab of the name "${name}" already: choose another one by --name, or end that one by ` +
        `npm run lab -- down --name ${name}`,
      undefined,
      { cause: error },
    );
  }
  if (fs.existsSync(`/run/netns/${record.netns}`)) {
    fs.rmSync(directory, { recursive: true });
    throw new LabError(
      `the network namespace ${record.netns} exists already and belongs to no lab: choose another name, or ` +
        `remove it by ip netns delete ${record.netns}`,
    );
  }
  fs.mkdirSync(record.disks, { recursive: true });
  return record;
}

export function checkName(name: string): void {
  if (namePattern.test(name)) return;
  throw new LabError(`"${name}" is no name for a lab: expected up to 40 of a-z, 0-9 and -`);
}

function directoryOf(name: string): string {
  checkName(name);
  return path.join(registryDirectory, name);
}

function write(directory: string, record: LabRecord): void {
  const file = path.join(directory, "lab.json");
  fs.writeFileSync(`${file}.new`, JSON.stringify(record));
  fs.renameSync(`${file}.new`, file);
}

/** From now on the lab outlives its maker. */
export function keep({ owner: _, ...record }: LabRecord): LabRecord {
  write(record.directory, record);
  return record;
}

/** By name. */
export function labs(): LabRecord[] {
  if (!fs.existsSync(registryDirectory)) return [];
  const names = fs.readdirSync(registryDirectory).filter((name) => namePattern.test(name));
  return names.sort().flatMap((name) => find(name) ?? []);
}

export function find(name: string): LabRecord | undefined {
  return readRecord(directoryOf(name));
}

function readRecord(directory: string): LabRecord | undefined {
  try {
    return JSON.parse(fs.readFileSync(path.join(directory, "lab.json"), "utf8"));
  } catch {
    return undefined;
  }
}

export function isAbandoned({ owner }: LabRecord): boolean {
  // Of an owner in another pid namespace nobody can tell.
  return owner !== undefined && isRunning(owner) === false;
}

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
  try {
    keepLogs?.(record);
  } finally {
    await finishRemoval(record, claimed);
  }
}

async function finishRemoval({ netns, disks }: LabRecord, claimed: string): Promise<void> {
  if (fs.existsSync(`/run/netns/${netns}`)) {
    await endProcesses(netns);
    await run(["ip", "netns", "delete", netns]);
  }
  fs.rmSync(disks, { recursive: true, force: true });
  fs.rmSync(claimed, { recursive: true, force: true });
}

/** ".removing-NAME.PID-START-PIDNS": what is under way, and whose it is. */
function unfinishedName(what: "entering" | "removing", name: string): string {
  return `.${what}-${name}.${formatIdentity(ownIdentity())}`;
}

interface Unfinished {
  readonly directory: string;
  readonly what: "entering" | "removing";
  readonly owner: ProcessIdentity;
}

function unfinished(): Unfinished[] {
  const entries = fs.existsSync(registryDirectory) ? fs.readdirSync(registryDirectory) : [];
  return entries.flatMap((entry) => {
    const [, what, identity = ""] = /^\.(entering|removing)-[a-z0-9-]+\.(.+)$/.exec(entry) ?? [];
    if (what !== "entering" && what !== "removing") return [];
    return { directory: path.join(registryDirectory, entry), what, owner: parseIdentity(identity) };
  });
}

/** Labs that are being removed. */
function removals(): LabRecord[] {
  return unfinished()
    .filter(({ what }) => what === "removing")
    .flatMap(({ directory }) => readRecord(directory) ?? []);
}

/** Finishes what killed processes had begun. */
async function finishUnfinished(): Promise<void> {
  for (const { directory, what, owner } of unfinished()) {
    if (isRunning(owner) !== false) continue;
    const record = what === "removing" ? readRecord(directory) : undefined;
    if (record === undefined) fs.rmSync(directory, { recursive: true, force: true });
    else await remove({ ...record, directory });
  }
}

/** Namespace and disks have the lab's name until they are gone. */
async function outlastRemovals(name: string): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (removals().some((record) => record.name === name)) {
    if (Date.now() > deadline) throw new LabError(`the earlier lab "${name}" is still being removed`);
    await sleep(50);
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

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended by itself.
  }
}
