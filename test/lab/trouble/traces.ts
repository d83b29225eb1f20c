// What a lab leaves on a machine, as far as it bears a mark: labs of others come and go meanwhile. All that a test
// starts has the mark in its name, its environment or the path of its cache.
import fs from "node:fs";
import path from "node:path";
import { disksDirectory } from "../lab.ts";

/** Variable that carries the mark to every process that is started by one that has it. */
export const markVariable = "PODWIRE_LAB_TROUBLE";

/**
 * Processes, network namespaces, mounts, entries of the registry and disks that bear `mark`, one line each; so do
 * builds that were not finished. `caches`: values for PODWIRE_LAB_CACHE besides the checkout's own.
 */
export function tracesOf(mark: string, caches: readonly string[] = []): string[] {
  const ownCaches = caches.map((cache) => path.join(cache, "podwire-lab"));
  return [
    ...processesOf(mark),
    ...linesOf("/proc/self/mountinfo").flatMap((line) => (line.includes(mark) ? [`mount ${line}`] : [])),
    ...["/run/podwire-lab", "/run/netns", disksDirectory].flatMap((directory) => named(directory, mark)),
    ...ownCaches.flatMap((cache) => named(`${cache}/labs`, "")),
    ...ownCaches.flatMap((cache) => named(cache, ".building-")),
  ];
}

/** "process PID: COMMAND" of each but this one. */
export function processesOf(mark: string): string[] {
  const pids = fs
    .readdirSync("/proc")
    .filter((name) => /^[0-9]+$/.test(name) && Number(name) !== process.pid);
  return pids.filter((pid) => bears(pid, mark)).map((pid) => `process ${pid}: ${commandOf(pid)}`);
}

function bears(pid: string, mark: string): boolean {
  return ["cmdline", "environ"].some((file) => read(`/proc/${pid}/${file}`).includes(mark));
}

function commandOf(pid: string): string {
  return read(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim();
}

function linesOf(file: string): string[] {
  return read(file).split("\n");
}

/** Empty if it is gone, as a process may be by now. */
function read(file: string): string {
  try {
    return fs.readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

function named(directory: string, part: string): string[] {
  const entries = fs.existsSync(directory) ? fs.readdirSync(directory) : [];
  return entries.filter((entry) => entry.includes(part)).map((entry) => path.join(directory, entry));
}
