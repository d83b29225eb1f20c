// How the commands for kernel modules reach the node's programs. Narrow, so that tests can stand in for a node.
import { type Kernel, programEnvironment } from "../linux/kernel.ts";
import { findProgram } from "../linux/programs.ts";
import { type RunOutcome, start } from "../linux/run.ts";
import { carriedProgram } from "./carried.ts";

export interface Host {
  /** Runs a program of the node, or a carried one, to its end; undefined if there is none. */
  ask(program: string, args: readonly string[], input?: string): Promise<RunOutcome | undefined>;
}

/** Whether modprobe would find the module, or has no need to; undefined without modprobe. */
export async function isInstalled(
  module: string,
  kernel: Pick<Kernel, "searchPath" | "deadline">,
): Promise<boolean | undefined> {
  const outcome = await hostOf(kernel).ask("modprobe", ["--dry-run", "--quiet", module]);
  return outcome && outcome.exitCode === 0;
}

export function hostOf(kernel: Pick<Kernel, "searchPath" | "deadline">): Host {
  return {
    ask: async (name, args, input = "") => {
      const program = carriedProgram(name) ?? findProgram(name, kernel.searchPath);
      if (program === undefined) return undefined;
      const environment = programEnvironment(kernel);
      return start({ program, args, environment, deadline: kernel.deadline }).finish(input);
    },
  };
}
