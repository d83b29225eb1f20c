// What needs no namespace of its own; test/netns/ has the rest.
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { describe, expect, test } from "vitest";
import { closeNetns, isNetwork, netnsStillAt, notNetwork, openNetns } from "../../src/linux/netns.ts";
import { thrown } from "../cni/thrown.ts";
import { scripts } from "./scripts.ts";

const openDescriptors = () => fs.readdirSync("/proc/self/fd").length;

describe("what is refused with code 8, and the path", () => {
  const refuse = (path: string) => {
    const before = openDescriptors();
    const { code, details } = thrown(() => openNetns(path));
    expect([code, details.includes(JSON.stringify(path)), openDescriptors()]).toEqual([8, true, before]);
    return details;
  };

  test.each(["/proc/self/ns/net", "/proc/thread-self/ns/net", `/proc/${process.pid}/ns/net`])(
    "the host's own netns, under any name: %s",
    (path) => {
      expect(refuse(path)).toContain("host's own");
    },
  );

  test("the host's own netns behind a link", () => {
    const path = `${scripts().directory}/link`;
    fs.symlinkSync("/proc/self/ns/net", path);
    expect(refuse(path)).toContain("host's own");
  });

  test.each(["", "pod1", "./pod1", "../run/netns/pod1", "~/pod1"])(
    "a path that is not absolute: %j",
    (path) => {
      expect(refuse(path)).toContain("absolute");
    },
  );

  test.each([
    "/run/netns/nonexistent",
    "/etc/passwd/pod1",
    "/proc/0/ns/net",
    `/${"x".repeat(5000)}`,
    "/a\0b",
  ])("a path to nothing: %.30s", (path) => {
    expect(refuse(path)).toContain("cannot be opened");
  });

  test.each(["/etc/passwd", "/", "/dev/null", "/proc/self/status", "/proc/self/ns"])(
    "what is no namespace: %s",
    (path) => {
      expect(refuse(path)).toContain("not a network namespace");
    },
  );

  test("a loop of links", () => {
    const path = `${scripts().directory}/loop`;
    fs.symlinkSync(path, path);
    expect(refuse(path)).toContain("ELOOP");
  });

  test("a FIFO, without waiting for its other end", () => {
    const path = `${scripts().directory}/fifo`;
    execFileSync("mkfifo", [path]);
    expect(refuse(path)).toContain("not a network namespace");
  });
});

test("a namespace of another kind is recognised when it has been opened", () => {
  const netns = openNetns("/proc/self/ns/uts");
  try {
    expect(isNetwork(netns)).toBe(false);
    expect(notNetwork(netns)).toMatchObject({
      code: 8,
      details: expect.stringContaining("/proc/self/ns/uts"),
    });
  } finally {
    closeNetns(netns);
  }
});

describe("a netns is still at its path", () => {
  const { dev: device, ino: inode } = fs.statSync("/proc/self/ns/net");

  test("while the same namespace is there", () => {
    expect(netnsStillAt("/proc/self/ns/net", { device, inode })).toBe(true);
  });

  test("no more when it is another, a file, or gone", () => {
    expect(netnsStillAt("/proc/self/ns/net", { device, inode: inode + 1 })).toBe(false);
    expect(netnsStillAt("/proc/self/ns/uts", { device, inode })).toBe(false);
    expect(netnsStillAt("/run/netns/nonexistent", { device, inode })).toBe(false);
    const passwd = fs.statSync("/etc/passwd");
    expect(netnsStillAt("/etc/passwd", { device: passwd.dev, inode: passwd.ino })).toBe(false);
  });
});
