// Talks to the module podwire_stt through podwire-stt-ctl, for what iproute2 has no words for.
import { CniError, ErrorCode } from "../cni/error.ts";
import { hostOf } from "../kernel-module/host.ts";
import type { Kernel } from "../linux/kernel.ts";
import type { RunOutcome } from "../linux/run.ts";
import type { SttState } from "../plan/stt.ts";

const program = "podwire-stt-ctl";

/** Makes or changes the link in one step. `list` has its peers. Returns the kernel's words if it refused. */
export async function setStt(
  verb: "add" | "set",
  link: string,
  settings: readonly string[],
  list: string,
  kernel: Kernel,
): Promise<string | undefined> {
  const { exitCode, stderr } = await run([verb, link, ...settings], list, kernel);
  return exitCode === 0 ? undefined : wordsOf(stderr);
}

/** undefined for a link that is not there any more, or is of another kind; throws if that cannot be found out. */
export async function readStt(link: string, kernel: Kernel): Promise<SttState | undefined> {
  const { exitCode, stdout, stderr } = await run(["show", link], "", kernel);
  if (exitCode === 0) return JSON.parse(stdout) as SttState;
  if (/No such device|not of kind stt/.test(stderr)) return undefined;
  const words = wordsOf(stderr) || `${program} ended with ${exitCode ?? "a signal"}`;
  throw new CniError(
    ErrorCode.kernelRefused,
    "a link of kind stt cannot be read",
    `${link}: ${words}; try again`,
  );
}

export async function readSttCounters(link: string, kernel: Kernel): Promise<Record<string, number>> {
  const { exitCode, stdout, stderr } = await run(["counters", link], "", kernel);
  if (exitCode === 0) return JSON.parse(stdout) as Record<string, number>;
  throw new CniError(ErrorCode.kernelRefused, "the counters cannot be read", wordsOf(stderr));
}

async function run(args: readonly string[], input: string, kernel: Kernel): Promise<RunOutcome> {
  const outcome = await hostOf(kernel).ask(program, args, input);
  if (outcome !== undefined) return outcome;
  throw new CniError(
    ErrorCode.programMissing,
    "a needed program is missing",
    `${program} is not in PATH, and this podwire was built without it; compile stt-tunnel/ctl/${program}.c`,
  );
}

function wordsOf(stderr: string): string {
  return stderr.trim().replace(`${program}: `, "");
}
