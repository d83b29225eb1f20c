// Where the module podwire_stt is not loaded and cannot be: what each command says, and that the executable carries what builds it.
import fs from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { executable, startNode, type TestNode } from "../fixture/node.ts";

const release = fs.readFileSync("/proc/sys/kernel/osrelease", "utf8").trim();
const sources = path.join(import.meta.dirname, "../../stt-tunnel");

let node: TestNode;
beforeAll(async () => {
  node = await startNode();
});
afterAll(async () => node.stop());

const podwire = (...words: string[]) => node.attempt(executable, ["stt", ...words]);

test("status says what to do, and with --json what is known", async () => {
  const { stdout, exitCode } = await podwire("status");
  expect([exitCode, stdout]).toEqual([
    1,
    expect.stringContaining(`there is none for Linux ${release}: podwire stt build, then podwire stt load`),
  ]);
  const json = await podwire("status", "--json");
  expect([json.exitCode, JSON.parse(json.stdout)]).toEqual([
    1,
    expect.objectContaining({ loaded: false, kernel: release }),
  ]);
});

test("load says why it cannot, and unload of nothing is no fault", async () => {
  const { exitCode, stderr } = await podwire("load");
  expect([exitCode, stderr]).toEqual([
    1,
    expect.stringMatching(
      /podwire_stt cannot be loaded.*(without loadable modules|there is none for Linux)/s,
    ),
  ]);
  expect(await podwire("unload")).toMatchObject({ exitCode: 0, stderr: "" });
});

test("all that builds the module is in the executable, and nothing else of its folder", async () => {
  expect(await podwire("build", "--sources-to", "/run/sources")).toMatchObject({ exitCode: 0 });
  const filesIn = (directory: string) =>
    fs
      .readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => path.relative(directory, path.join(entry.parentPath, entry.name)))
      .sort();
  const builds = /^(probes\/)?\w+\.[ch]$|^(Kbuild|Makefile|COPYING|dkms\.conf)$/;
  const expected = filesIn(sources).filter((file) => builds.test(file));
  expect(expected).toContain("probes/dscp.c");
  const carried = node.file("/run/sources");
  expect(filesIn(carried)).toEqual(expected);
  for (const file of expected)
    expect(fs.readFileSync(path.join(carried, file)).equals(fs.readFileSync(path.join(sources, file)))).toBe(
      true,
    );
});
