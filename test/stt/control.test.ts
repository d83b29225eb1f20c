// What podwire-stt-ctl's answers mean, by programs that end as it may.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readStt } from "../../src/stt/control.ts";

let directory: string;
beforeAll(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), "podwire-stt-"));
});
afterAll(() => fs.rmSync(directory, { recursive: true }));

function read(script: string) {
  fs.writeFileSync(path.join(directory, "podwire-stt-ctl"), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return readStt("pw-stt", { searchPath: directory, deadline: AbortSignal.timeout(10_000) });
}

test("a link is described", async () => {
  expect(await read(`echo '{"port":7471,"output":"notrack","peers":"any"}'`)).toEqual({
    port: 7471,
    output: "notrack",
    peers: "any",
  });
});

test.each(["is not of kind stt", "No such device"])("a link that %s is none", async (words) => {
  expect(await read(`echo 'podwire-stt-ctl: link "pw-stt": ${words}' >&2; exit 1`)).toBe(undefined);
});

test.each([
  [
    `echo 'podwire-stt-ctl: netlink "receive": No buffer space available' >&2; exit 1`,
    "No buffer space available",
  ],
  ["kill -KILL $$", "podwire-stt-ctl ended with a signal"],
])("one that cannot be read is not taken for none: %s", async (script, words) => {
  await expect(read(script)).rejects.toMatchObject({ code: 100, details: expect.stringContaining(words) });
});
