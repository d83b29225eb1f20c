import { describe, expect, test } from "vitest";
import { formatAge } from "../../src/cli/age.ts";
import { noPaint, paintFor } from "../../src/cli/colour.ts";
import { plainTable, renderTable } from "../../src/cli/table.ts";

const rows = [
  ["podnet", { text: "ok", colour: "green" }],
  ["a-longer-network", { text: "failed", colour: "red" }],
] as const;

describe("a table", () => {
  test("has columns as wide as their widest cell, and no blanks at line ends", () => {
    expect(renderTable(["NETWORK", "STATE"], rows, noPaint)).toBe(
      ["NETWORK           STATE", "podnet            ok", "a-longer-network  failed", ""].join("\n"),
    );
  });

  test("is aligned with colours as it is without", () => {
    const painted = renderTable(["NETWORK", "STATE"], rows, paintFor(true, {}));
    expect(painted).toContain("\x1b[31mfailed\x1b[39m\n");
    // biome-ignore lint/suspicious/noControlCharactersInRegex: this is what colours are made of
    expect(painted.replace(/\x1b\[[0-9]+m/g, "")).toBe(renderTable(["NETWORK", "STATE"], rows, noPaint));
  });

  test("lets no name steer the terminal", () => {
    expect(plainTable([["pod\x1b[2J\u009b1m\n", "x"]])).toBe("pod?[2J?1m?  x\n");
  });

  test("may have no rows", () => {
    expect(plainTable([])).toBe("");
  });
});

describe("colours", () => {
  test.each([
    ["a terminal", true, {}, true],
    ["no terminal", false, {}, false],
    ["NO_COLOR", true, { NO_COLOR: "1" }, false],
    ["an empty NO_COLOR", true, { NO_COLOR: "" }, true],
    ["a dumb terminal", true, { TERM: "dumb" }, false],
  ])("with %s", (_what, isTerminal, variables, isPainted) => {
    expect(paintFor(isTerminal, variables)("x", "red") !== "x").toBe(isPainted);
  });
});

describe("an age", () => {
  const now = Date.parse("2026-01-10T00:00:00Z");
  test.each([
    ["2026-01-10T00:00:00.000Z", "0s"],
    ["2026-01-09T23:59:13.000Z", "47s"],
    ["2026-01-09T23:00:00.000Z", "1h"],
    ["2026-01-06T19:30:10.000Z", "3d4h"],
    ["2027-01-01T00:00:00.000Z", "0s"],
    ["never", ""],
    [undefined, ""],
  ])("since %s is %s", (since, age) => {
    expect(formatAge(since, now)).toBe(age);
  });
});
