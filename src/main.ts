// The one entry: a CNI verb when the environment asks for one, else the command line. In the single executable all
// modules are already in memory when `main` begins (a V8 startup snapshot); as a plain bundle it starts
// at once. Nothing here may load node:child_process, which a snapshot must not hold.
import fs from "node:fs";
import v8 from "node:v8";
import { readStdin } from "./cni/input.ts";
import { handle } from "./cni/verbs.ts";
import { warmUp } from "./warm-up.ts";

async function main(): Promise<void> {
  const words = process.argv.slice(2);
  if (!isCniCall(words)) {
    const { runCommandLine } = await import("./cli/command-line.ts");
    process.exitCode = await runCommandLine(words);
    return;
  }
  const interruption = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const)
    process.on(signal, () => interruption.abort());
  const outcome = await handle({
    variables: process.env,
    stdin: readStdin,
    interrupted: interruption.signal,
  });
  writeAll(outcome.stdout);
  // Timers of the deadlines and a stdin left open must not keep the process.
  process.exit(outcome.exitStatus);
}

/** A call without its verb gets the specification's error rather than a help text. */
function isCniCall(words: readonly string[]): boolean {
  if (process.env["CNI_COMMAND"] !== undefined) return true;
  return words.length === 0 && Object.keys(process.env).some((name) => name.startsWith("CNI_"));
}

/** Writes to stdout, which may be a pipe in non-blocking mode. */
function writeAll(text: string): void {
  let rest = Buffer.from(text);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(fs.writeSync(1, rest));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") return;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}

if (v8.startupSnapshot.isBuildingSnapshot()) {
  warmUp();
  v8.startupSnapshot.setDeserializeMainFunction(() => void main());
} else {
  void main();
}
