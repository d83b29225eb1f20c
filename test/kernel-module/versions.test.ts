// A kernel module's version is podwire's: by it DKMS tells sources apart, and people what is loaded.
import fs from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { bypassModule, sttModule } from "../../src/kernel-module/module.ts";

const root = path.join(import.meta.dirname, "../..");
const read = (...names: string[]) => fs.readFileSync(path.join(root, ...names), "utf8");
const { version } = JSON.parse(read("package.json")) as { version: string };

describe.each([bypassModule, sttModule])("$name", ({ folder, packageName }) => {
  test("is known to DKMS by podwire's version", () => {
    expect(/^PACKAGE_VERSION="(.*)"$/m.exec(read(folder, "dkms.conf"))?.[1]).toBe(version);
  });

  test("says podwire's version where it is loaded", () => {
    expect(/^MODULE_VERSION\("(.*)"\);$/m.exec(read(folder, "main.c"))?.[1]).toBe(version);
  });

  test("is documented with podwire's version", () => {
    const named = read("docs/kernel-modules.md").matchAll(
      new RegExp(`${packageName}[-/]([0-9][0-9.]*)`, "g"),
    );
    const versions = new Set([...named].map(([, found]) => found));
    expect([...versions]).toEqual([version]);
  });
});
