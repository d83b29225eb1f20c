// Runs another plugin as the specification's section 4 says: found on CNI_PATH only, with the
// configuration on stdin and the call's own environment.
import fs from "node:fs";
import { isExecutable } from "../linux/programs.ts";
import { start } from "../linux/run.ts";
import type { CniEnvironment, Verb } from "./environment.ts";
import { CniError, ErrorCode } from "./error.ts";

export interface Delegation {
  /** The plugin's name; checked to be no path. */
  readonly type: string;
  readonly verb: Verb;
  readonly config: Readonly<Record<string, unknown>>;
  readonly environment: CniEnvironment;
  readonly deadline: AbortSignal;
}

/** Returns the plugin's result, undefined if it printed nothing. Throws the plugin's own error. */
export async function delegate(delegation: Delegation): Promise<unknown> {
  const { type, verb, environment, config, deadline } = delegation;
  const plugin = start({
    program: findPlugin(type, environment.path),
    args: [],
    environment: { ...environment.variables, CNI_COMMAND: verb },
    deadline,
  });
  const outcome = await plugin.finish(JSON.stringify(config));
  if (outcome.exitCode !== 0) throw failureOf(delegation, outcome.stdout, outcome.stderr);
  if (outcome.stdout.trim() === "") return undefined;
  return parseOutput(delegation, outcome.stdout);
}

function findPlugin(type: string, path: readonly string[]): string {
  const candidates = path.map((directory) => `${directory}/${type}`);
  const found = candidates.find(isExecutable);
  if (found !== undefined) return checkProgram(found);
  throw new CniError(
    ErrorCode.programMissing,
    "a delegated plugin is missing",
    `${type} is in none of CNI_PATH's directories (${path.join(", ")}); install it there or correct ipam.type`,
  );
}

/** What is neither a binary nor a script would be run by sh (execvp): an empty file would succeed at everything. */
function checkProgram(file: string): string {
  const head = Buffer.alloc(4);
  const descriptor = fs.openSync(file, "r");
  try {
    fs.readSync(descriptor, head);
  } finally {
    fs.closeSync(descriptor);
  }
  if (head.toString("latin1") === "\x7fELF" || head.toString("latin1", 0, 2) === "#!") return file;
  throw new CniError(
    ErrorCode.io,
    "a delegated plugin is no program",
    `${file} is neither a binary nor a script; install it again`,
  );
}

function parseOutput({ type, verb }: Delegation, stdout: string): unknown {
  try {
    return JSON.parse(stdout);
  } catch {
    throw new CniError(
      ErrorCode.decode,
      "a delegated plugin's output cannot be decoded",
      `${type} ${verb} printed ${JSON.stringify(stdout.slice(0, 200))}; expected a result in JSON`,
    );
  }
}

/** The plugin's error object with its own code, so that a runtime sees "try again" as such. */
function failureOf(delegation: Delegation, stdout: string, stderr: string): CniError {
  const { type, verb } = delegation;
  const said = errorObject(stdout);
  if (said === undefined) {
    const words = (stdout + stderr).trim().slice(0, 500) || "nothing";
    return new CniError(
      ErrorCode.decode,
      "a delegated plugin failed",
      `${type} ${verb} failed and said: ${words}`,
    );
  }
  const words = [said.msg, said.details].filter((text) => text !== undefined && text !== "").join(": ");
  return new CniError(said.code, "a delegated plugin failed", `${type} ${verb}: ${words}`);
}

function errorObject(stdout: string): { code: number; msg?: string; details?: string } | undefined {
  try {
    const { code, msg, details } = JSON.parse(stdout) as Record<string, unknown>;
    if (typeof code !== "number" || !Number.isInteger(code) || code <= 0) return undefined;
    return {
      code,
      ...(typeof msg === "string" ? { msg } : {}),
      ...(typeof details === "string" ? { details } : {}),
    };
  } catch {
    return undefined;
  }
}
