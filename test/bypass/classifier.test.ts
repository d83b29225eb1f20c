// The classifier of the kernel module and its memory of flows, compiled for userspace: the same code that judges packets, by tables.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { lacks } from "../fixture/lacking.ts";

const source = path.join(import.meta.dirname, "../../netfilter-bypass/test");

let out: string;
beforeAll(() => {
  out = fs.mkdtempSync(path.join(os.tmpdir(), "podwire-bypass-"));
});
afterAll(() => fs.rmSync(out, { recursive: true }));

/** What the test prints. Sanitizers are for reads beyond a packet; not every compiler has them. */
function runTables(name: string): string {
  const program = path.join(out, name);
  const strict = ["-std=gnu11", "-g", "-O1", "-Wall", "-Wextra", "-Werror"];
  const includes = [`-I${source}`, `-I${source}/kernel`];
  const compile = (...sanitizers: string[]) =>
    spawnSync("cc", [...strict, ...sanitizers, ...includes, "-o", program, `${source}/${name}.c`], {
      encoding: "utf8",
    });
  const sanitized = compile("-fsanitize=address,undefined", "-fno-sanitize-recover=all");
  if (sanitized.status !== 0) {
    expect(compile().stderr).toBe("");
    console.warn(`NOT TESTED: ${name}.c under sanitizers: ${sanitized.stderr.split("\n")[0]}`);
  }
  // LeakSanitizer wants to trace, which not every machine allows.
  const env = { ...process.env, ASAN_OPTIONS: "detect_leaks=0" };
  const { stdout, stderr } = spawnSync(program, { encoding: "utf8", env });
  return `${stdout}${stderr}`.trim();
}

describe.skipIf(lacks("podwire_bypass in userspace", "cc"))("podwire_bypass", () => {
  test("classifies each row of the tables as expected", () => {
    expect(runTables("classify")).toMatch(/^[0-9]{3,} passed, 0 failed$/);
  });

  test("remembers a flow no longer than it may, whatever conntrack learns meanwhile", () => {
    expect(runTables("memory")).toMatch(/^[0-9]{2,} passed, 0 failed$/);
  });
});
