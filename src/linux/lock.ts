// A lock between all podwire processes of a host. Node has no flock(2), so the program of that name takes it, for a descriptor that
// it shares with this process: the kernel frees the lock with the descriptor, however the process ends.
import fs from "node:fs";
import { CniError, ErrorCode } from "../cni/error.ts";
import { type Kernel, programEnvironment } from "./kernel.ts";
import { requireProgram } from "./programs.ts";
import { start } from "./run.ts";

/** Runs `work` while no other podwire runs anything under this lock. */
export async function withLock<T>(file: string, kernel: Kernel, work: () => Promise<T>): Promise<T> {
  return onDescriptor(file, async (descriptor) => {
    await take(descriptor, file, kernel, []);
    return work();
  });
}

/** The same if no other one runs anything under it now. Returns whether. */
export async function withFreeLock(
  file: string,
  kernel: Kernel,
  work: () => Promise<void>,
): Promise<boolean> {
  return onDescriptor(file, async (descriptor) => {
    const isFree = await take(descriptor, file, kernel, [
      "--nonblock",
      "--conflict-exit-code",
      String(heldCode),
    ]);
    if (isFree) await work();
    return isFree;
  });
}

const heldCode = 75;

async function onDescriptor<T>(file: string, work: (descriptor: number) => Promise<T>): Promise<T> {
  const descriptor = fs.openSync(file, fs.constants.O_RDWR | fs.constants.O_CREAT, 0o600);
  try {
    return await work(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}

/** `start` hands the descriptor on as the program's own 3. Returns false if somebody else has it, and `options` say not to wait. */
async function take(
  descriptor: number,
  file: string,
  kernel: Kernel,
  options: readonly string[],
): Promise<boolean> {
  const { exitCode, stderr } = await start({
    program: requireProgram("flock", kernel.searchPath),
    args: ["--exclusive", ...options, "3"],
    environment: programEnvironment(kernel),
    descriptor,
    deadline: kernel.deadline,
  })
    .finish("")
    .catch((error: unknown) => {
      throw kernel.deadline.aborted ? waitedInVain(file) : error;
    });
  if (exitCode === 0 || exitCode === heldCode) return exitCode === 0;
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
