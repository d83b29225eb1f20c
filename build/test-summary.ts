// `node build/test-summary.ts RESULTS [FAILED-STEP...]`: one last line from vitest's JSON report, and the
// exit status. What failed without being a test (a file that cannot be loaded, an error outside of tests, a
// step before them) counts as one failure each.
import fs from "node:fs";
import path from "node:path";

/** The part of vitest's report that counts. */
export interface Report {
  readonly success: boolean;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message?: string;
    /** Milliseconds since 1970. */
    readonly startTime?: number;
    readonly endTime?: number;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName?: string;
      readonly failureMessages?: readonly string[];
      /** What the test itself put into the report. */
      readonly meta?: { readonly figures?: string };
    }[];
  }[];
}

export interface Outcome {
  readonly passed: number;
  readonly skipped: number;
  /** One text each. */
  readonly failures: readonly string[];
  /** What tests measured by the way, one text each. */
  readonly figures: readonly string[];
}

export interface Summary extends Omit<Outcome, "failures" | "figures"> {
  readonly failed: number;
}

/** `report` is undefined if vitest wrote none. */
export function outcomeOf(report: Report | undefined, failedSteps: readonly string[] = []): Outcome {
  const files = report?.testResults ?? [];
  const tests = files.flatMap(({ assertionResults }) => assertionResults);
  const failed = tests.filter(({ status }) => status === "failed");
  const passed = tests.filter(({ status }) => status === "passed").length;
  const brokenFiles = files.filter(
    ({ status, assertionResults }) =>
      status === "failed" && !assertionResults.some((test) => test.status === "failed"),
  );
  const failures = [
    ...failedSteps,
    ...failed.map(({ fullName, failureMessages = [] }) => [fullName, ...failureMessages].join("\n")),
    ...brokenFiles.map(({ name, message }) => `${name}\n${message}`),
  ];
  const isBroken = report === undefined || !report.success;
  if (isBroken && failures.length === 0) failures.push("The tests failed, but none of them.");
  const figures = tests.flatMap(({ meta }) => meta?.figures ?? []);
  return { passed, skipped: tests.length - passed - failed.length, failures, figures };
}

export function summarize(report: Report | undefined, failedSteps: readonly string[]): Summary {
  const { passed, skipped, failures } = outcomeOf(report, failedSteps);
  return { passed, skipped, failed: failures.length };
}

/** The files that took longest, with their seconds: where to look when all takes too long. */
export function slowest(report: Report | undefined, count: number): [file: string, seconds: number][] {
  const files = report?.testResults ?? [];
  return files
    .map(({ name, startTime = 0, endTime = 0 }): [string, number] => [
      path.relative(process.cwd(), name),
      Math.round((endTime - startTime) / 1000),
    ])
    .sort(([, a], [, b]) => b - a)
    .slice(0, count);
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
  for (const [file, seconds] of slowest(report, 20)) console.log(`${seconds} s ${file}`);
  for (const step of failedSteps) console.log(`Failed: ${step}`);
  const { passed, failed, skipped } = summarize(report, failedSteps);
  console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
  process.exitCode = failed > 0 ? 1 : 0;
}
