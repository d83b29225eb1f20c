// The parser of STT's wire format and the tables of unfinished frames, compiled for userspace: the same code that the
// module runs on what others send.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { lacks } from "../fixture/lacking.ts";

const source = path.join(import.meta.dirname, "../../stt-tunnel");

let out: string;
beforeAll(() => {
  out = fs.mkdtempSync(path.join(os.tmpdir(), "podwire-stt-"));
});
afterAll(() => fs.rmSync(out, { recursive: true }));

const make = (target: string, ...variables: string[]) => {
  const words = ["--silent", "-C", source, target, `OUT=${out}`, ...variables];
  const { status, stdout, stderr } = spawnSync("make", words, { encoding: "utf8" });
  return { status, stdout, stderr };
};

describe.skipIf(lacks("STT in userspace", "make", "gcc"))("parser and tables", () => {
  test("take and refuse what they should, case by case", () => {
    const { status, stdout, stderr } = make("test");
    expect(stderr).toBe("");
    expect(stdout.split("\n").filter((line) => line.startsWith("FAILED"))).toEqual([]);
    expect(stdout.match(/^ok /gm)?.length).toBeGreaterThan(60);
    expect(status).toBe(0);
  });
});

function cannotFuzz(): boolean {
  if (lacks("STT in userspace", "make", "clang")) return true;
  const name = "libclang_rt.fuzzer-x86_64.a";
  const { stdout } = spawnSync("clang", [`--print-file-name=${name}`], { encoding: "utf8" });
  if (fs.existsSync(stdout.trim())) return false;
  console.warn(
    `SKIPPED, NOT TESTED: the parser of STT under a fuzzer: clang has no ${name} (libclang-rt-dev)`,
  );
  return true;
}

describe.skipIf(cannotFuzz())("the parser under a fuzzer", () => {
  test("reads nothing that is not there, and accepts nothing that the kernel could not bear", () => {
    const { status, stderr } = make("fuzz", "FUZZ_RUNS=300000");
    expect(stderr).toMatch(/Done 300000 runs/);
    expect(status).toBe(0);
  });
});
