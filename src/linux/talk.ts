// Programs that talk while they run: monitors. They end with podwire, however it ends.
import type { ChildProcess } from "node:child_process";
import { type Kernel, programEnvironment } from "./kernel.ts";
import { callMark } from "./orphans.ts";
import { type ProgramName, requireProgram } from "./programs.ts";

export interface Talker {
  /** Resolves with why it ended. */
  readonly ended: Promise<string>;
  stop(): void;
}

/** `hear` gets each line that the program prints. */
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
  child.stderr.on("data", (chunk: Buffer) => words.push(String(chunk)));
  hearLines(child, hear);
  child.stdin.on("error", () => {});
  return {
    ended: new Promise((resolve) => {
      child.on("error", (error) => resolve(`${program}: ${error.message}`));
      child.on("close", (status, signal) =>
        resolve(words.join("").trim() || `${name} ended (${signal ?? status})`),
      );
    }),
    stop: () => void child.kill("SIGKILL"),
  };
}

function hearLines(child: ChildProcess, hear: (line: string) => void): void {
  let rest = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    const lines = (rest + String(chunk)).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) hear(line);
  });
}
