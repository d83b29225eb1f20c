// What an operation on the kernel needs to know: which programs, which pod netns, how long.
import type { Netns } from "./netns.ts";
import type { StartedProgram } from "./run.ts";

export interface Kernel {
  /** Environment of the call; only PATH is handed on to programs. */
  readonly searchPath: string | undefined;
  readonly deadline: AbortSignal;
  /** Seconds that the whole call may take, where its configuration says so. */
  readonly timeout?: number | undefined;
  /** The pod's netns; absent where only the host is touched. */
  readonly pod?: Netns;
  /** Programs started ahead of their use. */
  readonly standby?: Standby;
}

/** By what they will be asked for as. */
export type Standby = Map<string, StartedProgram>;

/** Which network namespace an object lives in. */
export type Where = "host" | "pod";

/** Messages in English and no settings of the caller's shell. */
export function programEnvironment(kernel: Kernel): NodeJS.ProcessEnv {
  return { LC_ALL: "C", ...(kernel.searchPath === undefined ? {} : { PATH: kernel.searchPath }) };
}
