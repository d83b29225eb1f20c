// What people download: the bundle, which anyone can build again, and the tarball with its checksum.
import { createHash } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bundle } from "../../build/bundle.ts";
import { bundledPackages, thirdPartyLicenses } from "../../build/licenses.ts";
import { makeTarball, type Release } from "../../build/tarball.ts";
import { executable } from "../fixture/node.ts";

let directory: string;
beforeAll(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), "podwire-release-"));
});
afterAll(() => fs.rmSync(directory, { recursive: true, force: true }));

test("two bundles of one tree are the same bytes", async () => {
  const files = ["one.cjs", "two.cjs"].map((name) => path.join(directory, name));
  for (const file of files) await bundle(file);
  const [one, two] = files.map((file) => fs.readFileSync(file));
  expect(one?.equals(two ?? Buffer.alloc(0))).toBe(true);
});

test("the bundle does not tell where it was built", async () => {
  const file = path.join(directory, "somewhere.cjs");
  await bundle(file);
  expect(fs.readFileSync(file, "utf8")).not.toContain(path.resolve(import.meta.dirname, "../../src"));
});

test("the licences cover Node and every package in the bundle", async () => {
  const packages = await bundledPackages();
  expect(packages).toContain("zod");
  const text = await thirdPartyLicenses();
  for (const name of ["Node.js", ...packages]) expect(text).toMatch(new RegExp(`^${name} [0-9]`, "m"));
});

const isBuilt = fs.existsSync(executable);
if (!isBuilt) console.warn(`SKIPPED, NOT TESTED: the release tarball: no ${executable} (npm run build)`);

describe.skipIf(!isBuilt)("the release tarball", () => {
  let release: Release;
  beforeAll(async () => {
    release = await makeTarball(directory);
  });

  test("passes its checksum", async () => {
    await execa("sha256sum", ["--check", "--strict", release.checksum], { cwd: directory });
  });

  test("holds what a node needs, below one directory, owned by root", async () => {
    const { stdout } = await execa("tar", ["-tvzf", release.tarball]);
    const lines = stdout.split("\n");
    for (const line of lines) expect(line).toMatch(/^[-d]rw.r-.r-. 0\/0 .* podwire-[^/]+-linux-[^/]+\//);
    for (const file of ["LICENSE", "README.md", "THIRD-PARTY-LICENSES", "conf/10-podwire.conflist"])
      expect(lines.filter((line) => line.endsWith(`/${file}`))).toHaveLength(1);
    expect(lines.find((line) => line.endsWith("/podwire"))).toMatch(/^-rwxr-xr-x/);
  });

  test("is the same when made again", async () => {
    const again = path.join(directory, "again");
    fs.mkdirSync(again);
    expect(sumOf((await makeTarball(again)).tarball)).toBe(sumOf(release.tarball));
  });
});

function sumOf(file: string): string {
  return createHash("sha256").update(fs.readFileSync(file)).digest("hex");
}
