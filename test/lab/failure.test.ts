import { describe, expect, test } from "vitest";
import { LabError, lastLines } from "./failure.ts";

describe("the last lines of an output", () => {
  test("are as many as asked for, in their order, indented", () => {
    const printed = Array.from({ length: 30 }, (_, index) => `line ${index + 1}\n`).join("");
    expect(lastLines(printed, 2)).toBe("  | line 29\n  | line 30");
    expect(lastLines(printed).split("\n")).toHaveLength(20);
    expect(lastLines("only\n", 2)).toBe("  | only");
  });

  test("are said to be none where nothing was printed", () => {
    for (const nothing of ["", "\n", "\r\n \n\t\n"])
      expect(lastLines(nothing)).toBe("  (it printed nothing)");
  });

  test("are without empty ones, and without a serial line's carriage returns", () => {
    expect(lastLines("one\r\r\n\r\n  two  \r\n")).toBe("  | one\n  |   two");
  });

  test("are without what a firmware paints its screen with", () => {
    const firmware = "\u001b[?7l\u001b[2J\u001b[0mSeaBIOS (version 1.16.2-debian-1.16.2-1)\r\n";
    expect(lastLines(firmware)).toBe("  | SeaBIOS (version 1.16.2-debian-1.16.2-1)");
    expect(lastLines("a\u0000b\u0007c\u001b[1;31md\u001b[0m")).toBe("  | abcd");
  });

  test("keep their tabs and what is not ASCII", () => {
    expect(lastLines("a\tb für 日本")).toBe("  | a\tb für 日本");
  });
});

describe("a failure of the lab", () => {
  test("is its message alone, or with the end of an output", () => {
    expect(new LabError("no QEMU").message).toBe("no QEMU");
    expect(new LabError("it failed:", "first\nlast\n").message).toBe("it failed:\n  | first\n  | last");
    expect(new LabError("it failed:", "").message).toBe("it failed:\n  (it printed nothing)");
  });

  test("keeps its cause", () => {
    const cause = new Error("why");
    expect(new LabError("what", undefined, { cause }).cause).toBe(cause);
  });
});
