// The only place that starts a program. node:child_process is loaded at the first use: a startup snapshot
// must not hold it, and calls that need no program do not pay for it. execa would add 20 ms to a verb
// (docs/measurements.md), which is why the verbs spawn without it.
import type { ChildProcess } from "node:child_process";
import { CniError, ErrorCode } from "../cni/error.ts";
import { callMark, endOwnPrograms } from "./orphans.ts";

export interface ProgramStart {
  /** Absolute path. */
  readonly program: string;
  readonly args: readonly string[];
  readonly environment: NodeJS.ProcessEnv;
  /** Descriptor that the program gets as its descriptor 3. */
  readonly descriptor?: number | undefined;
  /** Aborted when the call has run out of time: the program and its children are killed. */
  readonly deadline: AbortSignal;
}

export interface RunOutcome {
  readonly stdout: string;
  readonly stderr: string;
  /** null if a signal ended it. */
  readonly exitCode: number | null;
}

/** A program that has been started and waits for its input. */
export interface StartedProgram {
  /** Gives it its whole input. Throws code 11 at either deadline, code 5 if it could not be started. */
  finish(input: string, deadline?: AbortSignal): Promise<RunOutcome>;
  hasEnded(): boolean;
}

/** Characters. */
const maxOutput = 64 * 1024 * 1024;

export function start({ program, args, environment, descriptor, deadline }: ProgramStart): StartedProgram {
  const { spawn } = process.getBuiltinModule("node:child_process");
  if (deadline.aborted) return { finish: () => Promise.reject(outOfTime(program)), hasEnded: () => true };
  const child = spawn(program, args, {
    env: { ...environment, ...callMark() },
    stdio: ["pipe", "pipe", "pipe", descriptor ?? "ignore"],
    cwd: "/",
    // A process group of its own, so that a hanging delegate dies with all that it started.
    detached: true,
  });
  let isOutOfTime = false;
  // Also when the program itself has ended: what it left behind may hold its pipes open.
  const kill = () => {
    isOutOfTime = true;
    killGroup(child);
    endOwnPrograms();
    child.stdout?.destroy();
    child.stderr?.destroy();
  };
  const outcome = outcomeOf(child, program, () => isOutOfTime);
  const killAt = (limit: AbortSignal) => {
    if (limit.aborted) kill();
    limit.addEventListener("abort", kill, { once: true });
    // Whether it fails is reported by `finish`; a program that is never given its input must not fail the process.
    outcome.finally(() => limit.removeEventListener("abort", kill)).catch(() => {});
  };
  killAt(deadline);
  // A program may end before it has read its input; its exit status then says why.
  child.stdin?.on("error", () => {});
  return {
    finish: (input, limit) => {
      if (limit !== undefined) killAt(limit);
      child.stdin?.end(input);
      return outcome;
    },
    hasEnded: () => child.exitCode !== null || child.signalCode !== null,
  };
}

function outcomeOf(child: ChildProcess, program: string, isOutOfTime: () => boolean): Promise<RunOutcome> {
  const stdout = collect(child, "stdout");
  const stderr = collect(child, "stderr");
  return new Promise((resolve, reject) => {
    child.on("error", (error) => {
      reject(new CniError(ErrorCode.io, "a program cannot be started", `${program}: ${error.message}`));
    });
    child.on("close", (exitCode) => {
      if (isOutOfTime()) reject(outOfTime(program));
      else resolve({ stdout: stdout(), stderr: stderr(), exitCode });
    });
  });
}

function collect(child: ChildProcess, name: "stdout" | "stderr"): () => string {
  let text = "";
  child[name]?.setEncoding("utf8").on("data", (chunk: string) => {
    if (text.length + chunk.length > maxOutput) killGroup(child);
    else text += chunk;
  });
  return () => text;
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // Nothing of it is left.
  }
}

function outOfTime(program: string): CniError {
  return new CniError(
    ErrorCode.tryAgainLater,
    "out of time",
    `${program} had not finished when the call's time was over; see why it hangs, or raise "timeout"`,
  );
}
