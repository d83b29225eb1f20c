import fs from "node:fs";
import { describe, expect, test } from "vitest";
import { start } from "../../src/linux/run.ts";
import { rejected } from "../cni/thrown.ts";
import { isAlive, scripts } from "./scripts.ts";

const soon = () => AbortSignal.timeout(300);
const late = () => AbortSignal.timeout(30_000);
const sh = (script: string, deadline = late(), more: { descriptor?: number } = {}) =>
  start({ program: "/bin/sh", args: ["-c", script], environment: { GREETING: "hello" }, deadline, ...more });

describe("a program", () => {
  test("gets its input, its environment and no other, and gives its output apart", async () => {
    const outcome = await sh("cat; echo $GREETING $HOME; echo words >&2; exit 7").finish("input ");
    expect(outcome).toEqual({ stdout: "input hello\n", stderr: "words\n", exitCode: 7 });
  });

  test.each([0, 1, 127, 255])("reports its exit status %d", async (status) => {
    expect((await sh(`exit ${status}`).finish("")).exitCode).toBe(status);
  });

  test("ended by a signal has no exit status", async () => {
    expect((await sh("kill -9 $$").finish("")).exitCode).toBeNull();
  });

  test("may end without reading a large input", async () => {
    expect((await sh("exit 3").finish("x".repeat(10_000_000))).exitCode).toBe(3);
  });

  test("may echo a large input with characters cut anywhere", async () => {
    const text = "äöü€😀".repeat(200_000);
    expect((await sh("cat").finish(text)).stdout === text).toBe(true);
  });

  test("gets a descriptor as its descriptor 3, and otherwise none", async () => {
    const { directory } = scripts();
    fs.writeFileSync(`${directory}/file`, "content");
    const descriptor = fs.openSync(`${directory}/file`, "r");
    expect((await sh("cat <&3", late(), { descriptor }).finish("")).stdout).toBe("content");
    fs.closeSync(descriptor);
    expect((await sh("cat <&3").finish("")).stdout).toBe("");
  });

  test("waits for its input until it is given", async () => {
    const { directory } = scripts();
    const program = sh(`echo started >${directory}/started; cat`);
    await expect.poll(() => fs.existsSync(`${directory}/started`)).toBe(true);
    expect((await program.finish("then")).stdout).toBe("then");
  });

  test("runs in / and in a process group of its own", async () => {
    const { stdout } = await sh("pwd; cut -d' ' -f1,5 /proc/$$/stat").finish("");
    const [directory, ids = ""] = stdout.trim().split("\n");
    const [pid, group] = ids.split(" ");
    expect([directory, group]).toEqual(["/", pid]);
  });
});

describe("a program that cannot be started", () => {
  test.each([
    ["is missing", "/nonexistent/program"],
    ["is a directory", "/etc"],
    ["is not executable", "/etc/passwd"],
  ])("because it %s is named with code 5", async (_, program) => {
    const started = start({ program, args: [], environment: {}, deadline: late() });
    expect(await rejected(started.finish("input"))).toMatchObject({
      code: 5,
      details: expect.stringContaining(program),
    });
  });

  test("is no unhandled failure when nobody asks for its outcome", async () => {
    start({ program: "/nonexistent/program", args: [], environment: {}, deadline: late() });
    await new Promise((resolve) => setTimeout(resolve, 50));
  });
});

describe("the deadline", () => {
  test("kills the program and all of its group, and is reported with code 11 and the program", async () => {
    const { directory, pids } = scripts();
    const script = `echo $$ >>pids; sh -c 'echo $$ >>pids; sleep 1000 & echo $! >>pids; wait' & sleep 1000`;
    const program = sh(`cd ${directory}; ${script}`, soon());
    expect(await rejected(program.finish(""))).toMatchObject({
      code: 11,
      details: expect.stringContaining("/bin/sh"),
    });
    expect(pids()).toHaveLength(3);
    await expect.poll(() => pids().filter(isAlive)).toEqual([]);
  });

  test("is not escaped by ignoring signals", async () => {
    expect(
      (await rejected(sh("trap '' TERM INT HUP; while :; do sleep 1; done", soon()).finish(""))).code,
    ).toBe(11);
  });

  test("is not escaped by ending and leaving a child with the pipes", async () => {
    const { directory, pids } = scripts();
    const program = sh(`cd ${directory}; sleep 1000 & echo $! >>pids`, soon());
    expect((await rejected(program.finish(""))).code).toBe(11);
    await expect.poll(() => pids().filter(isAlive)).toEqual([]);
  });

  test("is not escaped by a child in a session of its own with the pipes", async () => {
    const { directory } = scripts();
    const program = sh(`cd ${directory}; setsid sh -c 'echo $$ >>pids; exec sleep 1000' &`, soon());
    expect((await rejected(program.finish(""))).code).toBe(11);
  });

  test("that has passed starts nothing", async () => {
    const { directory } = scripts();
    const program = sh(`touch ${directory}/started`, AbortSignal.abort());
    expect((await rejected(program.finish(""))).code).toBe(11);
    expect(fs.existsSync(`${directory}/started`)).toBe(false);
  });

  test("that comes after the end changes nothing", async () => {
    const deadline = new AbortController();
    const outcome = await sh("echo done", deadline.signal).finish("");
    deadline.abort();
    expect(outcome.stdout).toBe("done\n");
  });
});
