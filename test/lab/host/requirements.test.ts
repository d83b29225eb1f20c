import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { LabError } from "../failure.ts";
import { obstacles, requireMemory, requireSpace } from "./requirements.ts";

let directory: string;
beforeEach(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), "podwire-requirements-"));
});
afterEach(() => fs.rmSync(directory, { recursive: true }));

const missing = (reasons: readonly string[]) =>
  reasons.filter((reason) => reason.startsWith("no ") && reason.includes("Debian package"));

describe("what keeps a machine from running the lab", () => {
  test("is each missing program, with the package that has it", () => {
    const reasons = obstacles(directory);
    expect(reasons).toContain("no qemu-system-x86_64 (Debian package qemu-system-x86)");
    expect(reasons).toContain("no ssh (Debian package openssh-client)");
    expect(reasons).toContain("no mmdebstrap (Debian package mmdebstrap)");
    for (const reason of missing(reasons))
      expect(reason).toMatch(/^no [a-z0-9_-]+ \(Debian package [a-z0-9-]+\)$/);
  });

  test("is one less with each program that is there", () => {
    const before = missing(obstacles(directory));
    fs.writeFileSync(path.join(directory, "qemu-system-x86_64"), "#!/bin/sh\n", { mode: 0o755 });
    const after = missing(obstacles(directory));
    expect(before.filter((reason) => !after.includes(reason))).toEqual([
      "no qemu-system-x86_64 (Debian package qemu-system-x86)",
    ]);
  });

  test("is also a file of that name that cannot be run", () => {
    fs.writeFileSync(path.join(directory, "ssh"), "", { mode: 0o644 });
    fs.mkdirSync(path.join(directory, "xz"));
    expect(obstacles(directory).filter((reason) => /^no (ssh|xz) /.test(reason))).toHaveLength(2);
  });

  test("is named by the packages that build/prerequisites installs", () => {
    const prerequisites = fs.readFileSync(
      path.join(import.meta.dirname, "../../../build/prerequisites"),
      "utf8",
    );
    const essential = new Set(["apt", "dpkg", "openssh-client"]);
    for (const reason of missing(obstacles(directory))) {
      const name = /package ([a-z0-9-]+)/.exec(reason)?.[1] ?? "";
      if (!essential.has(name)) expect(prerequisites).toMatch(new RegExp(` ${name}$`, "m"));
    }
  });
});

describe("too little", () => {
  test("disk space is told with what is needed, what there is, and what to do", () => {
    expect(() => requireSpace(directory, 0, "nothing")).not.toThrow();
    expect(() => requireSpace(directory, 1e9, "a lab of 2 nodes")).toThrow(LabError);
    expect(() => requireSpace(directory, 1e9, "a lab of 2 nodes")).toThrow(
      /^not enough disk space in \/.*for a lab of 2 nodes: 1000000000 MiB are needed, [0-9]+ MiB are free; make room/,
    );
  });

  test("memory is told with what there is", () => {
    expect(() => requireMemory(1, 1)).not.toThrow();
    expect(() => requireMemory(3, 1e6)).toThrow(
      /^not enough memory for 3 nodes of 1000000 MiB: [0-9]+ MiB are available/,
    );
  });
});
