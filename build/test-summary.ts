// `node build/test-summary.ts RESULTS [FAILED-STEP...]`: one last line from vitest's JSON report, and the
// exit status. What failed without being a test (a file that cannot be loaded, an error outside of tests, a
// step before them) counts as one failure each.
import fs from "node:fs";

/** The part of vitest's report that counts. */
export interface Report {
  readonly success: boolean;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
}

export interface Summary {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** `report` is undefined if vitest wrote none. */
export function summarize(report: Report | undefined, failedSteps: readonly string[]): Summary {
  const files = report?.testResults ?? [];
  const tests = files.flatMap((file) => file.assertionResults.map(({ status }) => status));
  const count = (...statuses: string[]) => tests.filter((status) => statuses.includes(status)).length;
  const brokenFiles = files.filter(
    ({ status, assertionResults }) =>
      status === "failed" && !assertionResults.some((test) => test.status === "failed"),
  );
  const failed = count("failed") + brokenFiles.length + failedSteps.length;
  const isBroken = report === undefined || !report.success;
  return {
    passed: count("passed"),
    failed: isBroken ? Math.max(failed, 1) : failed,
    skipped: tests.length - count("passed", "failed"),
  };
}

function readReport(file: string): Report | undefined {
  try {
    return JSON.parse(fs.readFileSync(file, "utf8")) as Report;
  } catch {
    return undefined;
  }
}

if (import.meta.main) {
  const [file = "", ...failedSteps] = process.argv.slice(2);
  const report = readReport(file);
  if (report === undefined) console.log("The tests left no results.");
  for (const step of failedSteps) console.log(`Failed: ${step}`);
  const { passed, failed, skipped } = summarize(report, failedSteps);
  console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
  process.exitCode = failed > 0 ? 1 : 0;
}
