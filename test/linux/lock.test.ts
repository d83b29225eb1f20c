// The lock that podwire's processes exclude each other by.
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { withFreeLock, withLock } from "../../src/linux/lock.ts";

let directory: string;
beforeAll(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), "podwire-lock-"));
});
afterAll(() => fs.rmSync(directory, { recursive: true }));

const kernel = (milliseconds = 60_000) => ({
  searchPath: process.env["PATH"],
  deadline: AbortSignal.timeout(milliseconds),
});
const sleep = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

test("one works at a time, and a failure lets the next one in", async () => {
  const file = path.join(directory, "turns");
  let working = 0;
  const turns = [1, 2, 3, 4, 5].map((turn) =>
    withLock(file, kernel(), async () => {
      expect(++working).toBe(1);
      await sleep(20);
      working--;
      if (turn % 2 === 0) throw new Error("no luck");
      return turn;
    }),
  );
  const outcomes = await Promise.allSettled(turns);
  expect(outcomes.map(({ status }) => status)).toEqual([
    "fulfilled",
    "rejected",
    "fulfilled",
    "rejected",
    "fulfilled",
  ]);
});

test("who waits until its time is over is told which file is held, and does nothing", async () => {
  const file = path.join(directory, "held");
  let isDone = false;
  await withLock(file, kernel(), async () => {
    const waiting = withLock(file, kernel(300), async () => {
      isDone = true;
    });
    await expect(waiting).rejects.toMatchObject({ code: 11, details: expect.stringContaining(file) });
  });
  expect(isDone).toBe(false);
  expect(await withLock(file, kernel(), async () => "free")).toBe("free");
});

test("who does not wait does nothing while somebody works, and works while nobody does", async () => {
  const file = path.join(directory, "busy");
  let done = 0;
  const tried = () => withFreeLock(file, kernel(), async () => void done++);
  await withLock(file, kernel(), async () => expect(await tried()).toBe(false));
  expect(done).toBe(0);
  expect(await tried()).toBe(true);
  expect(done).toBe(1);
});

test("a process that is killed holds nothing", async () => {
  const file = path.join(directory, "killed");
  const script = `
    const { withLock } = await import(${JSON.stringify(path.resolve("src/linux/lock.ts"))});
    const kernel = { searchPath: process.env.PATH, deadline: new AbortController().signal };
    await withLock(file, kernel, async () => { console.log("held"); await new Promise((resolve) => setTimeout(resolve, 60000)); });`;
  const words = ["--input-type=module", "-e", script.replace("(file,", `(${JSON.stringify(file)},`)];
  const holder = spawn(process.execPath, words, { stdio: ["ignore", "pipe", "inherit"] });
  await once(holder.stdout, "data");
  await expect(withLock(file, kernel(300), async () => {})).rejects.toMatchObject({ code: 11 });
  holder.kill("SIGKILL");
  await once(holder, "exit");
  expect(await withLock(file, kernel(), async () => "free")).toBe("free");
});
