// `npm run bench:datapath`: the datapaths compared, between nodes and on one, in the lab's virtual machines. A run may
// measure some of the sections; the others stay in the JSON file as they were. See docs/measurements.md.
import path from "node:path";
import { parseArgs } from "node:util";
import { LabError } from "../test/lab/failure.ts";
import { type KernelVersion, kernelVersions } from "../test/lab/image/recipe.ts";
import { measure } from "../test/lab/measure/measure.ts";
import { readResults, textOf, writeResults } from "./datapath-report.ts";
import { groups, kinds, planOf, sectionNames } from "./datapath-sections.ts";
import { updateDocument } from "./document.ts";

const titles = {
  between: "Between nodes, by instructions: what each end's guest executes",
  clock: "Between nodes, by the clock, which only shows the scale",
  "one-node": "On one node, by instructions",
};

const usage = `usage: npm run bench:datapath -- [options]
  --only SECTIONS   GROUP/KIND, separated by commas (all); "none" only reports
                    groups: ${Object.keys(groups).join(", ")}; kinds: ${Object.keys(kinds).join(", ")}
  --kernel VERSION  of the guests: ${kernelVersions.join(", ")} (6.1)
  --rounds N        that count, an odd number (5)
  --json FILE       where the figures go, and those of other sections stay (bench-results/datapath.json)
  --update FILE     replace the report in a document, between its bench:datapath markers`;

const { values: options } = parseArgs({
  options: {
    only: { type: "string" },
    kernel: { type: "string", default: "6.1" },
    rounds: { type: "string", default: "5" },
    json: { type: "string", default: path.resolve(import.meta.dirname, "../bench-results/datapath.json") },
    update: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

try {
  if (options.help) console.log(usage);
  else await bench();
} catch (error) {
  if (!(error instanceof LabError)) throw error;
  console.error(`bench:datapath: ${error.message}`);
  process.exitCode = 1;
}

async function bench(): Promise<void> {
  for (const name of chosen(options.only)) {
    const plan = planOf(name);
    if (plan === undefined) throw new LabError(`there is no section "${name}"\n${usage}`);
    // The lab refuses a kernel that it does not know, and measure() a number of rounds without a median.
    const kernel = options.kernel as KernelVersion;
    const report = await measure({ ...plan, kernel, rounds: Number(options.rounds) }, (text) => {
      console.error(`measuring ${text}`);
    });
    // At once: the next section may fail.
    writeResults(options.json, { ...readResults(options.json), [name]: report });
  }
  const text = textOf(readResults(options.json), sectionNames, titles);
  console.log(text);
  if (options.update !== undefined) updateDocument(options.update, "bench:datapath", text);
}

function chosen(only: string | undefined): readonly string[] {
  if (only === undefined) return sectionNames;
  return only === "none" ? [] : only.split(",");
}
