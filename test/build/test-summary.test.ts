import { describe, expect, test } from "vitest";
import { type Report, summarize } from "../../build/test-summary.ts";

function report(success: boolean, ...files: [status: string, ...tests: string[]][]): Report {
  return {
    success,
    testResults: files.map(([status, ...tests]) => ({
      name: "a.test.ts",
      status,
      assertionResults: tests.map((test) => ({ status: test })),
    })),
  };
}

describe("the last line of build/test", () => {
  test("counts passed, failed and skipped tests", () => {
    const results = report(false, ["passed", "passed", "skipped", "todo"], ["failed", "failed", "passed"]);
    expect(summarize(results, [])).toEqual({ passed: 2, failed: 1, skipped: 2 });
  });

  test("counts a file that cannot be loaded as one failure", () => {
    const results = report(false, ["passed", "passed"], ["failed"]);
    expect(summarize(results, [])).toEqual({ passed: 1, failed: 1, skipped: 0 });
  });

  test("counts a failure outside of all tests", () => {
    expect(summarize(report(false, ["passed", "passed"]), []).failed).toBe(1);
  });

  test("counts a run without results as failed", () => {
    expect(summarize(undefined, [])).toEqual({ passed: 0, failed: 1, skipped: 0 });
  });

  test("counts each step that failed before the tests", () => {
    expect(summarize(report(true, ["passed", "passed"]), ["npm run check"])).toMatchObject({
      passed: 1,
      failed: 1,
    });
    expect(summarize(undefined, ["npm run build"]).failed).toBe(1);
  });
});
