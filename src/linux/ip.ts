// iproute2 in batches: one process for all changes or all questions of one netns.
import { CniError, ErrorCode } from "../cni/error.ts";
import { type Command, runIn } from "./enter.ts";
import type { Kernel, Where } from "./kernel.ts";

/** A line of a batch that iproute2 or the kernel refused. */
export interface LineFault {
  /** Index into the batch's lines. */
  readonly line: number;
  /** iproute2's words. */
  readonly message: string;
}

/** What ipApply runs: to be started ahead. */
export function ipBatch(where: Where): Command {
  return { where, name: "ip", args: ["-batch", "-"] };
}

/** What ipAsk runs, likewise. */
export function ipQuestions(where: Where): Command {
  return { where, name: "ip", args: ["-json", "-details", "-Numeric", "-force", "-batch", "-"] };
}

/**
 * Applies lines in order. With `keepGoing` all lines are tried, else it stops at the first fault.
 * Returns the faults; throws if iproute2 did not run at all.
 */
export async function ipApply(
  where: Where,
  lines: readonly string[],
  kernel: Kernel,
  keepGoing = false,
): Promise<LineFault[]> {
  const command = keepGoing
    ? { where, name: "ip" as const, args: ["-force", "-batch", "-"] }
    : ipBatch(where);
  const outcome = await runIn(command, `${lines.join("\n")}\n`, kernel);
  const faults = parseFaults(outcome.stderr);
  // It ends with 1 after refusals, else it gave up at a line without saying which.
  if (outcome.exitCode !== 0 && (faults.length === 0 || outcome.exitCode !== 1)) {
    throw broken(outcome.stderr, outcome.exitCode);
  }
  return faults;
}

/**
 * Asks questions ("address show dev eth0"). Each answer is iproute2's JSON array, or undefined
 * if that question failed, as for a device that does not exist.
 */
export async function ipAsk(
  where: Where,
  questions: readonly string[],
  kernel: Kernel,
): Promise<(Record<string, unknown>[] | undefined)[]> {
  const outcome = await runIn(ipQuestions(where), `${questions.join("\n")}\n`, kernel);
  const faults = parseFaults(outcome.stderr);
  if (outcome.exitCode !== 0 && faults.length === 0) throw broken(outcome.stderr, outcome.exitCode);
  const failed = new Set(faults.map((fault) => fault.line));
  // Every question that did not fail prints one line, in order.
  const answers = outcome.stdout.split("\n").filter((line) => line.trim() !== "");
  return questions.map((_, index) => (failed.has(index) ? undefined : parseAnswer(answers.shift())));
}

/** "RTNETLINK answers: File exists\nCommand failed -:3" and friends: the message precedes its line's number. */
function parseFaults(stderr: string): LineFault[] {
  const faults: LineFault[] = [];
  let message: string[] = [];
  for (const text of stderr.split("\n").filter((line) => line.trim() !== "")) {
    const at = /^Command failed -:([0-9]+)$/.exec(text);
    if (at === null) {
      message.push(text.trim());
      continue;
    }
    faults.push({ line: Number(at[1]) - 1, message: message.join("; ") });
    message = [];
  }
  return faults;
}

/** A route with a tunnel has "src" and "dst" twice: its own, and in the middle those of the outer header. */
const encapKeys = /("encap":"ip6?","id":[0-9]+,")src(":"[^"]*",")dst(":)/g;

function parseAnswer(text: string | undefined): Record<string, unknown>[] {
  try {
    const parsed: unknown = JSON.parse((text ?? "").replaceAll(encapKeys, "$1encap_src$2encap_dst$3"));
    // iproute2 prints an empty object for each link that a filter left out.
    if (Array.isArray(parsed)) return parsed.filter((entry) => Object.keys(entry).length > 0);
  } catch {
    // Reported below.
  }
  throw new CniError(
    ErrorCode.kernelRefused,
    "iproute2 gave no JSON",
    `ip -json answered ${JSON.stringify(text?.slice(0, 200))}; iproute2 4.18 or newer is needed`,
  );
}

function broken(stderr: string, exitCode: number | null): CniError {
  const words = stderr.trim() || `exit status ${exitCode}`;
  return new CniError(
    ErrorCode.kernelRefused,
    "iproute2 failed",
    `ip -batch: ${words}; iproute2 4.18 or newer is needed`,
  );
}
