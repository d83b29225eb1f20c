import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import { describe, expect, test } from "vitest";
import { bootId, isRunning, ownIdentity } from "../../src/linux/process.ts";
import { scripts } from "./scripts.ts";

/** Field 22 of /proc/PID/stat, for commands without a space in their name. */
const startTime = (pid: number) => fs.readFileSync(`/proc/${pid}/stat`, "utf8").split(" ")[21] ?? "";

describe("the identity of a process", () => {
  test("is that of a running one for this process", () => {
    expect(ownIdentity()).toEqual({
      pid: process.pid,
      startTime: startTime(process.pid),
      pidNamespace: fs.readlinkSync("/proc/self/ns/pid"),
    });
    expect(isRunning(ownIdentity())).toBe(true);
  });

  test("ends with the process", async () => {
    const child = spawn("sleep", ["1000"], { stdio: "ignore" });
    const identity = { ...ownIdentity(), pid: child.pid ?? 0, startTime: startTime(child.pid ?? 0) };
    expect(isRunning(identity)).toBe(true);
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(isRunning(identity)).toBe(false);
  });

  test("is not that of a later process of the same number", () => {
    expect(isRunning({ ...ownIdentity(), startTime: "1" })).toBe(false);
    expect(isRunning({ ...ownIdentity(), startTime: "" })).toBe(false);
  });

  test("in another pid namespace cannot be told", () => {
    expect(isRunning({ ...ownIdentity(), pidNamespace: "pid:[1]" })).toBeUndefined();
  });

  test("is not that of a running one for a zombie", async () => {
    const { directory, read, pids } = scripts();
    // sleep takes the shell's place and never waits for the shell's child.
    const script = `sleep 0.2 & echo $! >pids; cat /proc/$!/stat >stat; exec sleep 1000`;
    const parent = spawn("sh", ["-c", script], { cwd: directory, stdio: "ignore" });
    try {
      const stat = () => (fs.existsSync(`${directory}/stat`) ? read("stat") : "");
      await expect.poll(stat).not.toBe("");
      const [pid = 0] = pids();
      await expect.poll(() => fs.readFileSync(`/proc/${pid}/stat`, "utf8")).toContain(") Z ");
      expect(isRunning({ ...ownIdentity(), pid, startTime: stat().split(" ")[21] ?? "" })).toBe(false);
    } finally {
      parent.kill("SIGKILL");
      await once(parent, "exit");
    }
  });

  test("is read right where the command's name looks like the fields after it", async () => {
    const { directory } = scripts();
    fs.symlinkSync("/bin/sleep", `${directory}/a) Z 1 2 (b`);
    const child = spawn(`${directory}/a) Z 1 2 (b`, ["1000"], { stdio: "ignore" });
    try {
      const { pid = 0 } = child;
      await expect.poll(() => fs.readFileSync(`/proc/${pid}/comm`, "utf8")).toBe("a) Z 1 2 (b\n");
      const stat = fs.readFileSync(`/proc/${pid}/stat`, "utf8");
      const startTime = /\(b\) (?:\S+ ){19}(\d+) /.exec(stat)?.[1] ?? expect.fail(stat);
      expect(isRunning({ ...ownIdentity(), pid, startTime })).toBe(true);
    } finally {
      child.kill("SIGKILL");
      await once(child, "exit");
    }
  });
});

test("the boot has an id", () => {
  expect(bootId()).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
});
