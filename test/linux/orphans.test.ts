import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { callMark, endOrphans } from "../../src/linux/orphans.ts";
import { ownIdentity, type ProcessIdentity } from "../../src/linux/process.ts";
import { isAlive, type Scripts, scripts } from "./scripts.ts";

const unlimited = new AbortController().signal;

const source = (file: string) => JSON.stringify(path.resolve(import.meta.dirname, "../../src/linux", file));

/** A podwire that was killed while two programs of its own ran; they and their pids are left. */
async function killedCaller({ directory }: Scripts): Promise<ProcessIdentity> {
  const script = `import { start } from ${source("run.ts")};
    import { ownIdentity } from ${source("process.ts")};
    const run = (words) => start({ program: "/bin/sh", args: ["-c", "cd ${directory}; " + words],
      environment: {}, deadline: AbortSignal.timeout(60_000) });
    run("echo $$ >>pids; exec sleep 1000");
    run("echo $$ >>pids; sleep 1000 & echo $! >>pids; wait");
    console.log(JSON.stringify(ownIdentity()));`;
  const caller = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [identity] = await once(caller.stdout, "data");
  caller.kill("SIGKILL");
  await once(caller, "exit");
  return JSON.parse(String(identity)) as ProcessIdentity;
}

describe("what a killed caller started", () => {
  test("is ended with all that it started itself, and is gone afterwards", async () => {
    const left = scripts();
    const caller = await killedCaller(left);
    // A program may still be on its way when its caller dies: it is given the time to get there.
    await expect.poll(() => left.pids().filter(isAlive).length).toBe(3);
    await endOrphans(caller, unlimited);
    expect(left.pids().filter(isAlive)).toEqual([]);
  });

  test.each([
    ["start time", { startTime: "1" }],
    ["pid", { pid: 1 }],
    ["pid namespace", { pidNamespace: "pid:[1]" }],
  ])("is left alone by the clean-up after a caller of another %s", async (_, change) => {
    const left = scripts();
    const caller = await killedCaller(left);
    await expect.poll(() => left.pids().filter(isAlive).length).toBe(3);
    await endOrphans({ ...caller, ...change }, unlimited);
    expect(left.pids().filter(isAlive)).toHaveLength(3);
  });
});

test("a program without the mark, or with more than the mark, is left alone", async () => {
  const [[name = "", mark = ""] = []] = Object.entries(callMark());
  const environments = [{}, { [name]: `${mark}0` }, { OTHER: `${name}=${mark}` }, { [`X${name}`]: mark }];
  const children = environments.map((env) => spawn("/bin/sleep", ["1000"], { env, stdio: "ignore" }));
  try {
    await endOrphans(ownIdentity(), unlimited);
    expect(children.map(({ pid }) => isAlive(pid ?? 0))).toEqual([true, true, true, true]);
  } finally {
    for (const child of children) child.kill("SIGKILL");
  }
});

test("there may be nothing to end", async () => {
  await endOrphans({ pid: 1, startTime: "1", pidNamespace: "pid:[1]" }, unlimited);
});
