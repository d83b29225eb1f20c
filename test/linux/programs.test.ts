import fs from "node:fs";
import { describe, expect, test } from "vitest";
import { findProgram, requireProgram } from "../../src/linux/programs.ts";
import { thrown } from "../cni/thrown.ts";
import { scripts } from "./scripts.ts";

describe("a program", () => {
  test("is the first executable file of its name in PATH", () => {
    const { directory, install } = scripts();
    for (const name of ["directory/ip", "plain", "first", "second"])
      fs.mkdirSync(`${directory}/${name}`, { recursive: true });
    install("plain/ip", "exit 0", 0o644);
    install("first/ip", "exit 0");
    install("second/ip", "exit 0");
    const path = ["/nonexistent", "directory", "plain", "first", "second"].map((name) =>
      name.startsWith("/") ? name : `${directory}/${name}`,
    );
    expect(findProgram("ip", path.join(":"))).toBe(`${directory}/first/ip`);
    expect(requireProgram("ip", path.join(":"))).toBe(`${directory}/first/ip`);
  });

  test("is not looked for in the working directory", () => {
    for (const path of [".", "node_modules/.bin", ":", "::."])
      expect(findProgram("vitest", path)).toBeUndefined();
  });

  test("is looked for in the usual directories where the runtime gives no PATH", () => {
    expect(findProgram("sh", undefined)).toMatch(/^\/(usr\/)?bin\/sh$/);
    expect(findProgram("sh", "")).toBe(findProgram("sh", undefined));
  });

  test.each([
    ["ip", "iproute2"],
    ["nft", "nftables"],
    ["nsenter", "util-linux"],
    ["tee", "coreutils"],
  ] as const)("that is missing, %s, is named with PATH and its package %s", (name, packageName) => {
    const { code, details } = thrown(() => requireProgram(name, "/nonexistent:/absent"));
    expect(code).toBe(102);
    for (const word of [name, "/nonexistent:/absent", packageName]) expect(details).toContain(word);
  });
});
