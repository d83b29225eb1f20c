// `npm run bench:lab`: what the ways of a packet cost in the kernel, measured in virtual machines that count
// instructions. Needs what the lab needs, and dist/podwire; see docs/measurements.md.
import path from "node:path";
import { parseArgs } from "node:util";
import { LabError } from "../test/lab/failure.ts";
import { type KernelVersion, kernelVersions } from "../test/lab/image/recipe.ts";
import { measure } from "../test/lab/measure/measure.ts";
import { tcpCopyRate, tcpLatency, tcpThroughput, udpSendRate } from "../test/lab/measure/measurements.ts";
import type { Plan } from "../test/lab/measure/plan.ts";
import { writeReport } from "../test/lab/measure/report.ts";
import {
  hostToHost,
  hostToItself,
  namespacesOnOnePair,
  vethByHostRoutes,
  vethOnOneNode,
} from "../test/lab/measure/variants.ts";
import { updateDocument } from "./document.ts";

const usage = `usage: npm run bench:lab -- [options]
  --kernel VERSION  of the guests: ${kernelVersions.join(", ")} (6.1)
  --rounds N        that count, an odd number (5)
  --json DIR        where the figures go (bench-results)
  --update FILE     replace the report in a document, between its bench:lab markers`;

const { values: options } = parseArgs({
  options: {
    kernel: { type: "string", default: "6.1" },
    rounds: { type: "string", default: "5" },
    json: { type: "string", default: path.resolve(import.meta.dirname, "../bench-results") },
    update: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

/** The work for a packet that leaves the node can be counted; its arrival and its answer are another guest's. */
const betweenNodes: Plan = {
  name: "between nodes",
  variants: [hostToHost, vethByHostRoutes],
  deterministic: [udpSendRate],
  wallClock: [tcpLatency, tcpThroughput],
};

/** One guest does everything, so everything can be counted. */
const onOneNode: Plan = {
  name: "on one node",
  nodes: 1,
  variants: [hostToItself, namespacesOnOnePair, vethOnOneNode],
  deterministic: [udpSendRate, tcpLatency, tcpCopyRate],
};

try {
  if (options.help) console.log(usage);
  else await bench();
} catch (error) {
  if (!(error instanceof LabError)) throw error;
  console.error(`bench:lab: ${error.message}`);
  process.exitCode = 1;
}

async function bench(): Promise<void> {
  const directory = path.resolve(options.json);
  const texts: string[] = [];
  for (const plan of [betweenNodes, onOneNode]) {
    // The lab refuses a kernel that it does not know, and measure() a number of rounds without a median.
    const kernel = options.kernel as KernelVersion;
    const report = await measure({ ...plan, kernel, rounds: Number(options.rounds) }, (text) => {
      console.error(`measuring ${text}`);
    });
    texts.push(writeReport(report, directory));
  }
  const text = texts.join("\n\n");
  console.log(text);
  if (options.update !== undefined) updateDocument(options.update, "bench:lab", text);
}
