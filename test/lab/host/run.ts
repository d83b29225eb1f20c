// Runs programs on the host. None of them outlives its caller: the kernel kills it when the caller dies,
// whatever the caller died of.
import { execa } from "execa";
import { LabError } from "../failure.ts";

export interface Running {
  readonly input?: string;
  readonly timeoutSeconds?: number;
  readonly env?: Readonly<Record<string, string>>;
  /**
   * For what starts processes, mounts file systems or changes its credentials (apt-get): it gets namespaces of
   * its own, which end with it.
   */
  readonly contained?: boolean;
}

/** Prefix of a command that dies with its caller. It becomes the command, so that the process id is the same. */
export const bound = ["setpriv", "--pdeathsig", "KILL", "--"] as const;

/** The kernel forgets who is to die with whom when a process changes its credentials: a shell in between does not. */
const containing = [
  ...bound,
  ...["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"],
  ...["sh", "-c", '"$@"; exit $?', "sh"],
] as const;

function shorten(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}

/** Returns what it prints. Throws with its last lines if it fails. */
export async function run(command: readonly string[], options: Running = {}): Promise<string> {
  const { input, timeoutSeconds = 120, env, contained = false } = options;
  const [program, ...args] = [...(contained ? containing : bound), ...command];
  const finished = await execa(program, args, {
    reject: false,
    all: true,
    timeout: timeoutSeconds * 1000,
    ...(input === undefined ? { stdin: "ignore" } : { input }),
    ...(env === undefined ? {} : { env }),
  });
  if (finished.exitCode === 0) return finished.stdout;
  const reason = finished.timedOut
    ? `did not end within ${timeoutSeconds} s`
    : `failed (${finished.exitCode ?? finished.signal})`;
  throw new LabError(`${shorten(command.join(" "))} ${reason}; it printed:`, finished.all);
}
