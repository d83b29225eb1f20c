import fs from "node:fs";
import { describe, expect, test } from "vitest";
import { CniError, ErrorCode, toCniError } from "../../src/cni/error.ts";

describe("error codes", () => {
  test("are the specification's where it has one", () => {
    expect(ErrorCode).toMatchObject({
      incompatibleVersion: 1,
      unsupportedField: 2,
      unknownContainer: 3,
      invalidEnvironment: 4,
      io: 5,
      decode: 6,
      invalidConfig: 7,
      invalidNetns: 8,
      tryAgainLater: 11,
      unavailable: 50,
      limitedConnectivity: 51,
    });
  });

  test("are distinct, and ours begin at 100", () => {
    const codes = Object.values(ErrorCode);
    expect(new Set(codes).size).toBe(codes.length);
    expect(codes.filter((code) => code > 51 && code < 100)).toEqual([]);
  });
});

describe("whatever is thrown becomes an error for the runtime", () => {
  test("one of ours as it is", () => {
    const error = new CniError(7, "short", "long");
    expect(toCniError(error)).toBe(error);
  });

  test("a failed system call with code 5, its words and its cause", () => {
    const open = () => fs.readFileSync("/nonexistent/file");
    try {
      open();
    } catch (cause) {
      expect(toCniError(cause)).toMatchObject({ code: 5, cause });
      expect(toCniError(cause).details).toContain("/nonexistent/file");
    }
    expect(open).toThrow();
  });

  test.each([
    [new TypeError("x is not a function")],
    ["words"],
    [undefined],
    [null],
    [42],
    [{ message: "object" }],
  ])("a bug (%s) with code 199, without its stack", (bug) => {
    const error = toCniError(bug);
    expect(error.code).toBe(199);
    expect(error.details).toContain("please report this");
    expect(error.details).not.toMatch(/\n| at /);
  });
});
