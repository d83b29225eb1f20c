// Programs that talk while they run: monitors. They end with podwire, however it ends.
import type { Readable } from "node:stream";
import { type Kernel, programEnvironment } from "./kernel.ts";
import { callMark } from "./orphans.ts";
import { type ProgramName, requireProgram } from "./programs.ts";

export interface Talker {
  /** Resolves with why it ended. */
  readonly ended: Promise<string>;
  stop(): void;
}

/** Of what a program that ended said on its errors. */
const lastWords = 5;

/** `hear` gets each line that the program prints, errors too: ovs-ofctl says there what it was not asked for. */
export function talk(
  name: ProgramName,
  args: readonly string[],
  kernel: Pick<Kernel, "searchPath">,
  hear: (line: string) => void,
): Talker {
  const { spawn } = process.getBuiltinModule("node:child_process");
  const program = requireProgram(name, kernel.searchPath);
  // A monitor notices that nobody reads it only when it has something to say.
  const guarded = ["--pdeathsig", "KILL", "--", program, ...args];
  const child = spawn(requireProgram("setpriv", kernel.searchPath), guarded, {
    env: { ...programEnvironment({ ...kernel, deadline: new AbortController().signal }), ...callMark() },
    stdio: ["pipe", "pipe", "pipe"],
    cwd: "/",
  });
  const words: string[] = [];
  hearLines(child.stdout, hear);
  hearLines(child.stderr, (line) => {
    if (words.push(line) > lastWords) words.shift();
    hear(line);
  });
  child.stdin.on("error", () => {});
  return {
    ended: new Promise((resolve) => {
      child.on("error", (error) => resolve(`${program}: ${error.message}`));
      child.on("close", (status, signal) =>
        resolve(words.join("\n").trim() || `${name} ended (${signal ?? status})`),
      );
    }),
    stop: () => void child.kill("SIGKILL"),
  };
}

function hearLines(from: Readable, hear: (line: string) => void): void {
  let rest = "";
  from.on("data", (chunk: Buffer) => {
    const lines = (rest + String(chunk)).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) hear(line);
  });
}
