// Identity of processes and of the boot, so that a record can tell whether its writer still lives.
import fs from "node:fs";

export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks after boot, field 22 of /proc/PID/stat: tells a reused pid apart. */
  readonly startTime: string;
  /** Inode of the pid namespace in which `pid` means something. */
  readonly pidNamespace: string;
}

export function ownIdentity(): ProcessIdentity {
  return {
    pid: process.pid,
    startTime: startTime(process.pid) ?? "",
    pidNamespace: pidNamespace(),
  };
}

/** undefined if it cannot be told, because the process lived in another pid namespace. */
export function isRunning(identity: ProcessIdentity): boolean | undefined {
  if (identity.pidNamespace !== pidNamespace()) return undefined;
  return startTime(identity.pid) === identity.startTime;
}

/** As a part of a file's name. */
export function formatIdentity({ pid, startTime, pidNamespace }: ProcessIdentity): string {
  return [pid, startTime, pidNamespace].join("-");
}

/** Ignores what follows after a further hyphen. */
export function parseIdentity(text: string): ProcessIdentity {
  const [pid = "", startTime = "", pidNamespace = ""] = text.split("-");
  return { pid: Number(pid), startTime, pidNamespace };
}

export function bootId(): string {
  return fs.readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}

function pidNamespace(): string {
  return fs.readlinkSync("/proc/self/ns/pid");
}

/** What the kernel counts a process's start in, for programs (USER_HZ). */
const ticksPerSecond = 100;

/** Seconds after boot; undefined if there is no such process. */
export function startedAfterBoot(pid: number): number | undefined {
  const ticks = startTime(pid);
  return ticks === undefined ? undefined : Number(ticks) / ticksPerSecond;
}

/** Seconds. */
export function sinceBoot(): number {
  return Number(fs.readFileSync("/proc/uptime", "utf8").split(" ")[0]);
}

function startTime(pid: number): string | undefined {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, "utf8");
    // The command's name may hold spaces and parentheses: fields are counted after the last one.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    // A zombie does nothing any more.
    return fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
  } catch {
    return undefined;
  }
}
