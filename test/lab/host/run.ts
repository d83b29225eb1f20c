// Runs programs on the host. None of them outlives its caller: the kernel kills it when the caller dies,
// whatever the caller died of.
import { execa } from "execa";
import { LabError } from "../failure.ts";

export interface Running {
  readonly input?: string;
  readonly timeoutSeconds?: number;
  readonly env?: Readonly<Record<string, string>>;
}

/** Prefix of a command that dies with its caller. It becomes the command, so that the process id is the same. */
export const bound = ["setpriv", "--pdeathsig", "KILL", "--"] as const;

/**
 * Prefix of a command that starts processes and mounts file systems: they end with it, in namespaces of its own.
 * In there it must not use the network namespace or processes of the host.
 */
export const contained = [
  ...bound,
  ...["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"],
] as const;

/** Returns what it prints. Throws with its last lines if it fails. */
export async function run(command: readonly string[], options: Running = {}): Promise<string> {
  const { input, timeoutSeconds = 120, env } = options;
  const [program = "", ...args] = command[0] === bound[0] ? command : [...bound, ...command];
  const finished = await execa(program, args, {
    reject: false,
    all: true,
    timeout: timeoutSeconds * 1000,
    ...(input === undefined ? { stdin: "ignore" } : { input }),
    ...(env === undefined ? {} : { env }),
  });
  if (finished.exitCode === 0) return finished.stdout;
  const shown = command.filter((word, index) => word !== contained[index] && word !== bound[index]).join(" ");
  const reason = finished.timedOut
    ? `did not end within ${timeoutSeconds} s`
    : `failed (${finished.exitCode ?? finished.signal})`;
  throw new LabError(`${shown} ${reason}; it printed:`, finished.all);
}
