// Benchmarks made of sections, "GROUP/KIND", that are measured one by one because all of it takes long: the command
// line that they share. A run may measure some; the others stay in the JSON file as they were.
import path from "node:path";
import { parseArgs } from "node:util";
import { LabError } from "../test/lab/failure.ts";
import { type KernelVersion, kernelVersions } from "../test/lab/image/recipe.ts";
import { measure } from "../test/lab/measure/measure.ts";
import type { Plan } from "../test/lab/measure/plan.ts";
import { updateDocument } from "./document.ts";
import { type Results, readResults, writeResults } from "./section-report.ts";

export interface SectionBench {
  /** As in `npm run bench:NAME` and in the document's markers. */
  readonly name: string;
  readonly groups: readonly string[];
  readonly kinds: readonly string[];
  /** In the order of the report. */
  readonly sections: readonly string[];
  /** Undefined if there is no such section. */
  planOf(section: string, kernel: KernelVersion): Plan | undefined;
  textOf(results: Results): string;
}

export async function runSections(bench: SectionBench): Promise<void> {
  const { values: options } = parseArgs({
    options: {
      only: { type: "string" },
      kernel: { type: "string", default: "6.1" },
      rounds: { type: "string", default: "5" },
      json: {
        type: "string",
        default: path.resolve(import.meta.dirname, `../docs/measurements/${bench.name}.json`),
      },
      update: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  try {
    if (options.help) console.log(usageOf(bench));
    else await run(bench, options);
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    console.error(`bench:${bench.name}: ${error.message}`);
    process.exitCode = 1;
  }
}

interface Options {
  readonly only?: string | undefined;
  readonly kernel: string;
  readonly rounds: string;
  readonly json: string;
  readonly update?: string | undefined;
}

async function run(bench: SectionBench, options: Options): Promise<void> {
  for (const name of chosen(bench, options.only)) {
    // The lab refuses a kernel that it does not know, and measure() a number of rounds without a median.
    const kernel = options.kernel as KernelVersion;
    const plan = bench.planOf(name, kernel);
    if (plan === undefined) throw new LabError(`there is no section "${name}"\n${usageOf(bench)}`);
    const report = await measure({ ...plan, kernel, rounds: Number(options.rounds) }, (text) => {
      console.error(`measuring ${text}`);
    });
    // At once: the next section may fail.
    writeResults(options.json, { ...readResults(options.json), [name]: report });
  }
  const text = bench.textOf(readResults(options.json));
  console.log(text);
  if (options.update !== undefined) updateDocument(options.update, `bench:${bench.name}`, text);
}

function chosen({ sections }: SectionBench, only: string | undefined): readonly string[] {
  if (only === undefined) return sections;
  return only === "none" ? [] : only.split(",");
}

function usageOf({ name, groups, kinds }: SectionBench): string {
  return `usage: npm run bench:${name} -- [options]
  --only SECTIONS   GROUP/KIND, separated by commas (all); "none" only reports
                    groups: ${groups.join(", ")}; kinds: ${kinds.join(", ")}
  --kernel VERSION  of the guests: ${kernelVersions.join(", ")} (6.1)
  --rounds N        that count, an odd number (5)
  --json FILE       where the figures go, and those of other sections stay (docs/measurements/${name}.json)
  --update FILE     replace the report in a document, between its bench:${name} markers`;
}
