// Programs outlive a podwire that was killed: an `ip -batch` left alone may still create a link after
// the clean-up looked for it. Every program is started with a mark in its environment, by which
// the next call finds and ends those of a dead one before it cleans up.
import fs from "node:fs";
import { CniError, ErrorCode } from "../cni/error.ts";
import { ownIdentity, type ProcessIdentity } from "./process.ts";

const variable = "PODWIRE_CALLER";

export function callMark(): NodeJS.ProcessEnv {
  return { [variable]: markOf(ownIdentity()) };
}

/** Whether these are the variables of a program that podwire has started. */
export function isMarked(variables: NodeJS.ProcessEnv): boolean {
  return variables[variable] !== undefined;
}

/** Kills what this process has started, also what has left its process group. */
export function endOwnPrograms(): void {
  for (const pid of findMarked(`${variable}=${markOf(ownIdentity())}`)) kill(pid);
}

/** Milliseconds in which what is killed ends, unless the kernel keeps it: then it may stay for hours. */
const patience = 10_000;

/** Kills what a dead caller started and waits until it is gone; throws code 11 if it stays, or at the deadline. */
export async function endOrphans(caller: ProcessIdentity, deadline: AbortSignal): Promise<void> {
  const mark = `${variable}=${markOf(caller)}`;
  const limit = AbortSignal.any([deadline, AbortSignal.timeout(patience)]);
  for (let orphans = findMarked(mark); orphans.length > 0; orphans = findMarked(mark)) {
    for (const pid of orphans) kill(pid);
    if (limit.aborted) throw stuck(orphans);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** The start time keeps a later process of the same number out of it. */
function markOf({ pid, startTime, pidNamespace }: ProcessIdentity): string {
  return `${pid}@${startTime}@${pidNamespace}`;
}

function findMarked(mark: string): number[] {
  const pids = fs.readdirSync("/proc").filter((name) => /^[0-9]+$/.test(name));
  return pids.filter((pid) => environmentOf(pid).includes(mark)).map(Number);
}

function environmentOf(pid: string): string[] {
  try {
    return fs.readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
  } catch {
    return [];
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended in between.
  }
}

function stuck(pids: readonly number[]): CniError {
  return new CniError(
    ErrorCode.tryAgainLater,
    "out of time",
    `processes ${pids.join(", ")} of a killed podwire do not end; see what the kernel keeps them waiting for`,
  );
}
