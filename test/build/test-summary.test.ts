import { describe, expect, test } from "vitest";
import { outcomeOf, type Report, slowest, summarize } from "../../build/test-summary.ts";

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

test("a run's failures are told with the names and words of tests and files, and its figures", () => {
  const failure = {
    status: "failed",
    fullName: "a pod is wired",
    failureMessages: ["expected 1", "to be 2"],
  };
  const files = [
    {
      name: "a.test.ts",
      status: "failed",
      assertionResults: [failure, { status: "passed", meta: { figures: "3 s for each" } }],
    },
    { name: "b.test.ts", status: "failed", message: "no such module", assertionResults: [] },
  ];
  expect(outcomeOf({ success: false, testResults: files })).toEqual({
    passed: 1,
    skipped: 0,
    failures: ["a pod is wired\nexpected 1\nto be 2", "b.test.ts\nno such module"],
    figures: ["3 s for each"],
  });
  expect(outcomeOf(report(false, ["passed", "passed"])).failures).toHaveLength(1);
});

test("the files that took longest are told first", () => {
  const file = (name: string, endTime: number) => ({
    name: `${process.cwd()}/test/${name}`,
    status: "passed",
    startTime: 1000,
    endTime,
    assertionResults: [],
  });
  const testResults = [file("a.test.ts", 3000), file("b.test.ts", 61_400), file("c.test.ts", 1000)];
  expect(slowest({ success: true, testResults }, 2)).toEqual([
    ["test/b.test.ts", 60],
    ["test/a.test.ts", 2],
  ]);
  expect(slowest(undefined, 2)).toEqual([]);
});
