// A trace of strace read as phases.
import { expect, test } from "vitest";
import { phasesOf } from "../../bench/trace.ts";

const trace = `
10 100.000000 execve("/opt/cni/bin/podwire", ["/opt/cni/bin/podwire"], 0x1 /* 9 vars */) = 0 <0.000150>
10 100.001000 openat(AT_FDCWD, "/lib/libc.so.6", O_RDONLY|O_CLOEXEC) = 3 <0.000010>
10 100.020000 openat(AT_FDCWD, "/proc/self/fd/0", O_RDONLY|O_NONBLOCK|O_CLOEXEC) = 20 <0.000010>
11 100.025000 execve("/usr/sbin/ip", ["/usr/sbin/ip", "-batch", "-"], 0x2 /* 3 vars */) = 0 <0.001>
12 100.027000 execve("/usr/bin/nsenter", ["/usr/bin/nsenter", "--", "/usr/sbin/ip"], 0x2 /* 3 vars */ <unfinished ...>
10 100.028000 fsync(25 <unfinished ...>
12 100.028500 <... execve resumed>) = 0 <0.001148>
10 100.029000 <... fsync resumed>) = 0 <0.001000>
12 100.030000 execve("/usr/sbin/ip", ["/usr/sbin/ip"], 0x3 /* 3 vars */) = 0 <0.001>
11 100.035000 exit_group(0) = ?
11 100.036000 +++ exited with 0 +++
12 100.038000 +++ exited with 0 +++
13 100.041000 +++ exited with 0 +++
10 100.042000 exit_group(0) = ?
10 100.043000 +++ exited with 0 +++
`;

test("phases follow each other, and programs that run beside others are marked", () => {
  const rounded = phasesOf(trace).map(({ what, fromMs, forMs }) => [
    what,
    Math.round(fromMs),
    Math.round(forMs),
  ]);
  expect(rounded).toEqual([
    ["process start", 0, 20],
    ["podwire", 20, 5],
    ["ip -batch -", 25, 11],
    ["nsenter -- ip (meanwhile)", 27, 11],
    ["podwire", 38, 4],
    ["process exit", 42, 1],
    ["of podwire's time: 1 fsync", Number.NaN, 1],
    ["all", 0, 43],
  ]);
});

test("an empty trace is an error", () => {
  expect(() => phasesOf("")).toThrow("empty");
});
