// Runs a program of ours on the host or in the pod's netns, with the pod's netns as descriptor 3.
import { CniError, ErrorCode } from "../cni/error.ts";
import { type Kernel, programEnvironment, type Standby, type Where } from "./kernel.ts";
import { type ProgramName, requireProgram } from "./programs.ts";
import { type RunOutcome, type StartedProgram, start } from "./run.ts";

/** Where programs find the pod's netns. */
export const podNetnsPath = "/proc/self/fd/3";

/** A program by its name and arguments, and where it runs. */
export interface Command {
  readonly where: Where;
  readonly name: ProgramName;
  readonly args: readonly string[];
}

export async function runIn(command: Command, input: string, kernel: Kernel): Promise<RunOutcome> {
  const program = fromStandby(command, kernel) ?? startIn(command, kernel);
  const outcome = await program.finish(input, kernel.deadline);
  if (outcome.stderr.startsWith("nsenter:")) {
    throw new CniError(
      ErrorCode.invalidNetns,
      "invalid network namespace",
      `CNI_NETNS ${JSON.stringify(kernel.pod?.path)} cannot be entered: ${outcome.stderr.trim()}`,
    );
  }
  return outcome;
}

/** Starts programs that will be needed, so that they load while the call is still being prepared. */
export function startAhead(commands: readonly Command[], kernel: Kernel): Standby {
  const standby: Standby = new Map();
  replenish(standby, commands, kernel);
  return standby;
}

/** Those that have been used since, or have ended. */
export function replenish(standby: Standby, commands: readonly Command[], kernel: Kernel): void {
  for (const command of commands) {
    const key = keyOf(command);
    if (standby.get(key)?.hasEnded() !== false) standby.set(key, startIn(command, kernel));
  }
}

function fromStandby(command: Command, { standby }: Kernel): StartedProgram | undefined {
  const key = keyOf(command);
  const program = standby?.get(key);
  standby?.delete(key);
  return program?.hasEnded() === false ? program : undefined;
}

/** Ends those that were not needed: without input they do nothing. */
export async function dismiss(standby: Standby): Promise<void> {
  await Promise.allSettled([...standby.values()].map((program) => program.finish("")));
}

function startIn({ where, name, args }: Command, kernel: Kernel): StartedProgram {
  const program = requireProgram(name, kernel.searchPath);
  const entered =
    where === "host"
      ? { program, args }
      : {
          program: requireProgram("nsenter", kernel.searchPath),
          args: [`--net=${podNetnsPath}`, "--", program, ...args],
        };
  return start({
    ...entered,
    environment: programEnvironment(kernel),
    descriptor: kernel.pod?.descriptor,
    deadline: kernel.deadline,
  });
}

function keyOf({ where, name, args }: Command): string {
  return [where, name, ...args].join(" ");
}
