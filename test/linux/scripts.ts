// A directory for one test with programs of the test's own, and the end of whatever they leave running.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { onTestFinished } from "vitest";

export interface Scripts {
  readonly directory: string;
  /** Writes an executable shell script; it may append pids to the file "pids". */
  install(name: string, script: string, mode?: number): string;
  read(name: string): string;
  /** Pids that scripts have written down, in that order. */
  pids(): number[];
}

export function scripts(): Scripts {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "scripts-"));
  const read = (name: string) => fs.readFileSync(path.join(directory, name), "utf8");
  const pids = () =>
    fs.existsSync(path.join(directory, "pids")) ? read("pids").trim().split("\n").map(Number) : [];
  onTestFinished(() => {
    for (const pid of pids()) kill(pid);
    fs.rmSync(directory, { recursive: true });
  });
  return {
    directory,
    read,
    pids,
    install: (name, script, mode = 0o755) => {
      const file = path.join(directory, name);
      fs.writeFileSync(file, `#!/bin/sh\ncd ${directory}\n${script}\n`, { mode });
      return file;
    },
  };
}

/** Whether a process is there and not a zombie. */
export function isAlive(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(fs.readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

export function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended, as it should.
  }
}
