// Wall and CPU time of programs on a test node. A shell that stays there starts them and reads its own
// clock and its children's rusage (`times`) around each: starting nsenter or a measuring program every
// time would cost as much as the reference plugin takes. The same fork and exec are in all figures.
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import { createInterface } from "node:readline";
import type { TestNode } from "../test/fixture/node.ts";

export interface Invocation {
  readonly program: string;
  readonly args?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly input?: string;
}

export interface Measurement {
  readonly wallMs: number;
  /** User and system time of the program and all that it waited for; in whole milliseconds. */
  readonly cpuMs: number;
  readonly exitCode: number;
}

export interface Measured extends Measurement {
  readonly stdout: string;
}

export interface Meter {
  /** Runs a program; throws unless it succeeds. */
  run(invocation: Invocation): Promise<Measured>;
  /** Measures a script of bash. */
  script(text: string): Promise<Measurement>;
  /** What the script's programs wrote to `name` in the meter's directory. */
  read(name: string): string;
  close(): Promise<void>;
}

/** Of the node: for what measured programs write. */
export const outputDirectory = "/run/bench";

export async function startMeter(node: TestNode): Promise<Meter> {
  await node.run("mkdir", "-p", outputDirectory);
  const enter = ["-t", String(node.pid), "-m", "-n", "--"];
  const shell = spawn("nsenter", [...enter, "bash", "--noprofile", "--norc"], {
    stdio: ["pipe", "pipe", "inherit"],
    env: { PATH: process.env["PATH"] ?? "", LC_ALL: "C" },
  });
  const lines = createInterface({ input: shell.stdout })[Symbol.asyncIterator]();
  const read = (name: string) => fs.readFileSync(node.file(`${outputDirectory}/${name}`), "utf8");
  const script = async (text: string): Promise<Measurement> => {
    shell.stdin.write(`times; s=$EPOCHREALTIME; ${text}; c=$?; e=$EPOCHREALTIME; times; echo "$s $e $c"\n`);
    const [, before, , after, clock] = [
      await nextLine(lines),
      await nextLine(lines),
      await nextLine(lines),
      await nextLine(lines),
      await nextLine(lines),
    ];
    const [start = Number.NaN, end = Number.NaN, exitCode = -1] = clock.split(" ").map(Number);
    if (!(start > 0)) throw new Error(`bash has no EPOCHREALTIME (${clock}); the benchmark needs bash 5`);
    return { wallMs: (end - start) * 1000, cpuMs: cpuOf(after) - cpuOf(before), exitCode };
  };
  return {
    script,
    read,
    run: async (invocation) => {
      const output = `>${outputDirectory}/stdout 2>${outputDirectory}/stderr`;
      const measurement = await script(`${commandLine(invocation)} ${output}`);
      const stdout = read("stdout");
      if (measurement.exitCode !== 0) {
        const call = invocation.environment?.["CNI_COMMAND"] ?? "";
        throw new Error(
          `${invocation.program} ${call} failed (${measurement.exitCode}): ${stdout}${read("stderr")}`,
        );
      }
      return { ...measurement, stdout };
    },
    close: async () => {
      if (shell.exitCode !== null || shell.signalCode !== null) return;
      shell.stdin.end();
      await once(shell, "exit");
    },
  };
}

/** As bash reads it. A here-string is a pipe, as a runtime gives (bash 5.1 and newer). */
export function commandLine({ program, args = [], environment = {}, input = "" }: Invocation): string {
  const variables = Object.entries(environment).map(([name, value]) => `${name}=${quote(value)}`);
  return [...variables, ...[program, ...args].map(quote), `<<<${quote(input)}`].join(" ");
}

export function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

async function nextLine(lines: AsyncIterator<string>): Promise<string> {
  const { value, done } = await lines.next();
  if (done) throw new Error("the measuring shell ended");
  return value;
}

/** From a line of `times`, such as "0m0.012s 0m0.034s". */
function cpuOf(line: string): number {
  const parts = [...line.matchAll(/(\d+)m([\d.]+)s/g)];
  return parts.reduce(
    (sum, [, minutes, seconds]) => sum + Number(minutes) * 60_000 + Number(seconds) * 1000,
    0,
  );
}
