// Programs that talk while they run: monitors, and a holder of a lock. They end with podwire, however it ends.
import type { ChildProcess } from "node:child_process";
import { CniError, ErrorCode } from "../cni/error.ts";
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

/** Runs `work` while no other podwire runs anything under this lock. The kernel frees it with its holder. */
export async function withLock<T>(file: string, kernel: Kernel, work: () => Promise<T>): Promise<T> {
  let holder: Talker | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      const script = ["--exclusive", file, "sh", "-c", "echo held; exec cat"];
      holder = talk("flock", script, kernel, () => resolve());
      void holder.ended.then((why) =>
        reject(new CniError(ErrorCode.io, "a lock cannot be had", `${file}: ${why}`)),
      );
      kernel.deadline.addEventListener("abort", () => reject(waitedInVain(file)), { once: true });
      if (kernel.deadline.aborted) reject(waitedInVain(file));
    });
    return await work();
  } finally {
    holder?.stop();
  }
}

function waitedInVain(file: string): CniError {
  return new CniError(
    ErrorCode.tryAgainLater,
    "out of time",
    `another podwire held ${file} until the call's time was over; see what it waits for`,
  );
}
