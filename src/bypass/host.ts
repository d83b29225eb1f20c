// How the bypass' commands reach the node's programs. Narrow, so that tests can stand in for a node.
import { programEnvironment } from "../linux/kernel.ts";
import { findProgram } from "../linux/programs.ts";
import { type RunOutcome, start } from "../linux/run.ts";
import { carriedHelper, helperName } from "./helper.ts";

export interface Host {
  /** Runs a program of the node to its end; undefined if it is not installed. */
  ask(program: string, args: readonly string[], input?: string): Promise<RunOutcome | undefined>;
}

/** This machine, for one command. */
export function thisHost(searchPath: string | undefined, deadline: AbortSignal): Host {
  return {
    ask: async (name, args, input = "") => {
      const program = (name === helperName ? carriedHelper() : undefined) ?? findProgram(name, searchPath);
      if (program === undefined) return undefined;
      const environment = programEnvironment({ searchPath, deadline });
      return start({ program, args, environment, deadline }).finish(input);
    },
  };
}
