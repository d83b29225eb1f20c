// What the programs and the kernel say, and what people are told.
import { describe, expect, test } from "vitest";
import { type Attempt, describePolicy, explainAttempt, explainMake } from "../../src/kernel-module/fault.ts";
import { bypassModule } from "../../src/kernel-module/module.ts";
import { lockdownOf } from "../../src/kernel-module/policy.ts";

const open = { secureBoot: false, lockdown: "none", enforced: false };
const attempt: Attempt = {
  module: bypassModule,
  file: "/tmp/x.ko",
  words: "",
  log: [],
  release: "6.1.0-9-amd64",
  policy: open,
};

describe("a module that is not loaded", () => {
  test.each<[string, Partial<Attempt>, string]>([
    [
      "a signature that is not known (EKEYREJECTED)",
      { words: "insmod: ERROR: could not insert module x.ko: Key was rejected by service" },
      "only modules that are signed by a key it knows",
    ],
    [
      "none at all (ENOKEY)",
      { words: "insmod: ERROR: could not insert module x.ko: Required key not available" },
      'docs/kernel-modules.md, "Secure Boot"',
    ],
    [
      "lockdown, of which insmod says only EPERM",
      {
        words: "insmod: ERROR: could not insert module x.ko: Operation not permitted",
        log: ["Lockdown: insmod: unsigned module loading is restricted; see man kernel_lockdown.7"],
        policy: { secureBoot: true, lockdown: "integrity", enforced: false },
      },
      'lockdown is "integrity", Secure Boot is on: only signed modules are loaded; sign it',
    ],
    [
      "a kernel's log that may not be read",
      {
        words: "insmod: ERROR: could not insert module x.ko: Operation not permitted",
        policy: { secureBoot: false, lockdown: "none", enforced: true },
      },
      "module.sig_enforce is on",
    ],
    [
      "another kernel's module",
      { words: "insmod: ERROR: could not insert module x.ko: Invalid module format" },
      "/tmp/x.ko was built for another kernel than Linux 6.1.0-9-amd64: podwire bypass build",
    ],
    [
      "another kernel's symbols",
      {
        words: "insmod: ERROR: could not insert module x.ko: Invalid argument",
        log: ["podwire_bypass: disagrees about version of symbol nf_conntrack_find_get"],
      },
      "symbol nf_conntrack_find_get; /tmp/x.ko was built for another kernel",
    ],
    [
      "missing rights",
      { words: "insmod: ERROR: could not insert module x.ko: Operation not permitted" },
      "run it as root, outside of containers",
    ],
    ["anything else", { words: "insmod: ERROR: out of memory" }, "insmod: ERROR: out of memory"],
  ])("for %s", (_, differing, expected) => {
    const explained = explainAttempt({ ...attempt, ...differing });
    expect(explained).toContain(differing.words);
    expect(explained).toContain(expected);
  });
});

test("unsigned modules are taken where nothing demands signatures", () => {
  expect(describePolicy(open)).toBe(undefined);
  expect(describePolicy({ ...open, secureBoot: true })).toBe(undefined);
  expect(lockdownOf("none [integrity] confidentiality")).toBe("integrity");
  expect(lockdownOf("")).toBe(undefined);
});

describe("make's output", () => {
  test.each([
    ["/bin/sh: 1: gcc-12: not found\nmake[2]: *** [x.o] Error 127", "gcc-12 is not in PATH", "mostly gcc-12"],
    ["/bin/sh: line 1: clang: command not found", "clang is not in PATH", "mostly clang"],
    [
      "  CC [M]  /run/podwire/build-x/hooks.o\nhooks.c:3:1: error: unknown type name 'foo'\nmake: *** Error 2",
      "hooks.c:3:1: error: unknown type name 'foo'",
      "error",
    ],
    ["make: something\nelse\n", "make: something; else", "else"],
  ])("is told in few words: %j", (output, ...expected) => {
    for (const part of expected) expect(explainMake(output)).toContain(part);
  });
});
