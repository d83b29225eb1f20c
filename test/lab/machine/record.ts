// A lab's record, in a directory of its own, where the keys and sockets of the lab are too. It is there, whole, as long
// as the lab is.
import fs from "node:fs";
import path from "node:path";
import { isRunning, type ProcessIdentity } from "../../../src/linux/process.ts";
import { LabError } from "../failure.ts";

/** In memory: a reboot ends all labs. */
export const registryDirectory = "/run/podwire-lab";

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

const namePattern = /^[a-z0-9][a-z0-9-]{0,39}$/;

export function checkName(name: string): void {
  if (namePattern.test(name)) return;
  throw new LabError(`"${name}" is no name for a lab: expected up to 40 of a-z, 0-9 and -`);
}

export function directoryOf(name: string): string {
  checkName(name);
  return path.join(registryDirectory, name);
}

export function write(directory: string, record: LabRecord): void {
  const file = path.join(directory, "lab.json");
  fs.writeFileSync(`${file}.new`, JSON.stringify(record));
  fs.renameSync(`${file}.new`, file);
}

/** By name. */
export function labs(): LabRecord[] {
  return names().flatMap((name) => find(name) ?? []);
}

export function names(): string[] {
  if (!fs.existsSync(registryDirectory)) return [];
  return fs
    .readdirSync(registryDirectory)
    .filter((name) => namePattern.test(name))
    .sort();
}

export function find(name: string): LabRecord | undefined {
  return readRecord(directoryOf(name));
}

export function readRecord(directory: string): LabRecord | undefined {
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
