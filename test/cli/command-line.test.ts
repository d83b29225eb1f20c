// What the words on the command line do, in both forms of podwire that the build makes.
import path from "node:path";
import { execa } from "execa";
import { describe, expect, test } from "vitest";
import { supportedVersions } from "../../src/cni/versions.ts";
import { executable } from "../fixture/node.ts";

const bundle = `${executable}.cjs`;
const node = path.resolve(import.meta.dirname, "../../node_modules/.bin/node");

describe.each([
  ["the executable", executable, []],
  ["the plain bundle", node, [bundle]],
])("%s", (_form, program, before) => {
  const podwire = (...words: string[]) =>
    execa(program, [...before, ...words], { reject: false, env: { CNI_COMMAND: undefined } });

  test("lists its commands with --help and with help", async () => {
    const { stdout, exitCode } = await podwire("--help");
    for (const command of ["install", "status", "doctor", "gc", "version"]) {
      expect(stdout).toMatch(new RegExp(`^  ${command} +\\S`, "m"));
    }
    expect(exitCode).toBe(0);
    expect((await podwire("help")).stdout).toBe(stdout);
    expect((await podwire("-h")).stdout).toBe(stdout);
  });

  test("shows a command's options with help and with the command's --help", async () => {
    const { stdout, exitCode } = await podwire("help", "install");
    expect(stdout).toContain("Usage: podwire install [--bin-dir DIR] [--conf-dir DIR] [--conf FILE]");
    expect(stdout).toContain("(default /opt/cni/bin)");
    expect(exitCode).toBe(0);
    expect((await podwire("install", "--help")).stdout).toBe(stdout);
  });

  test("tells its version, Node's and the specification's", async () => {
    const { stdout, exitCode } = await podwire("version");
    expect(stdout).toMatch(/^podwire +[0-9]+\.[0-9]+\.[0-9]+$/m);
    expect(stdout).toMatch(/^Node +v[0-9]+\./m);
    expect(stdout).toContain(supportedVersions.join(", "));
    expect(exitCode).toBe(0);
    expect((await podwire("--version")).stdout).toBe(stdout);
  });

  test.each([
    [[], "podwire: a CNI plugin"],
    [["frobnicate"], 'unknown command "frobnicate"; commands are install, status'],
    [["--frobnicate"], 'unknown option "--frobnicate"'],
    [["status", "--frobnicate"], "status: Unknown option '--frobnicate'"],
    [["status", "now"], "status: Unexpected argument 'now'"],
    [["install", "--conf"], "install: Option '--conf <value>' argument missing"],
    [["status", "--json=yes"], "status: Option '--json' does not take an argument"],
    [["help", "frobnicate"], 'unknown command "frobnicate"'],
    [["help", "status", "doctor"], "help takes one command"],
    [["__proto__"], 'unknown command "__proto__"'],
  ])("refuses %j with exit status 2 and says why on stderr alone", async (words, reason) => {
    const { stdout, stderr, exitCode } = await podwire(...words);
    expect(stderr).toContain(reason);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(stdout).toBe("");
    expect(exitCode).toBe(2);
  });
});
