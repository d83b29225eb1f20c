// A lock between all podwire processes of a host. Node has no flock(2), so the program of that name takes it, for a descriptor that
// it shares with this process: the kernel frees the lock with the descriptor, however the process ends.
import fs from "node:fs";
import { CniError, ErrorCode } from "../cni/error.ts";
import { type Kernel, programEnvironment } from "./kernel.ts";
import { requireProgram } from "./programs.ts";
import { start } from "./run.ts";

/** Runs `work` while no other podwire runs anything under this lock. */
export async function withLock<T>(file: string, kernel: Kernel, work: () => Promise<T>): Promise<T> {
  const descriptor = fs.openSync(file, fs.constants.O_RDWR | fs.constants.O_CREAT, 0o600);
  try {
    await take(descriptor, file, kernel);
    return await work();
  } finally {
    fs.closeSync(descriptor);
  }
}

/** `start` hands the descriptor on as the program's own 3. */
async function take(descriptor: number, file: string, kernel: Kernel): Promise<void> {
  const { exitCode, stderr } = await start({
    program: requireProgram("flock", kernel.searchPath),
    args: ["--exclusive", "3"],
    environment: programEnvironment(kernel),
    descriptor,
    deadline: kernel.deadline,
  })
    .finish("")
    .catch((error: unknown) => {
      throw kernel.deadline.aborted ? waitedInVain(file) : error;
    });
  if (exitCode === 0) return;
  throw new CniError(
    ErrorCode.io,
    "a lock cannot be had",
    `${file}: ${stderr.trim() || `flock ended with ${exitCode}`}`,
  );
}

function waitedInVain(file: string): CniError {
  return new CniError(
    ErrorCode.tryAgainLater,
    "out of time",
    `another podwire held ${file} until the call's time was over; see what it waits for`,
  );
}
