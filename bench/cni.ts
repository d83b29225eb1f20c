// `npm run bench:cni`: what a call of podwire costs, side by side with the reference plugins on the same
// machine at the same time. Needs root, dist/podwire and the reference plugins; see docs/measurements.md.
import fs from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { executable } from "../test/fixture/node.ts";
import { measureBreakdown } from "./breakdown.ts";
import { podwire, reference, scenarios } from "./contenders.ts";
import { measureCrowd } from "./crowd.ts";
import { updateDocument } from "./document.ts";
import { describeEnvironment } from "./environment.ts";
import { measurePeakMemory } from "./peak-memory.ts";
import { type Figures, isMet, report, targetsOf } from "./report.ts";
import { measureStart } from "./start-times.ts";
import { measureVerbs, type VerbTimes } from "./verb-times.ts";

const usage = `usage: npm run bench:cni -- [options]
  --runs N        calls of each kind (50)
  --rounds N      rounds of 50 pods (5)
  --breakdown     also trace where the time goes (needs strace)
  --json FILE     where the figures go (bench-results/cni.json)
  --update FILE   replace the report in a document, between its bench:cni markers
  --state DIR     where podwire and the reference keep state meanwhile (the directory of --json)`;

const { values: options } = parseArgs({
  options: {
    runs: { type: "string", default: "50" },
    rounds: { type: "string", default: "5" },
    breakdown: { type: "boolean", default: false },
    json: { type: "string", default: path.resolve(import.meta.dirname, "../bench-results/cni.json") },
    update: { type: "string" },
    state: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

if (options.help) console.log(usage);
else await bench();

async function bench(): Promise<void> {
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));
  refuseWithoutNeeds();
  const runs = atLeastOne("runs", options.runs);
  const rounds = atLeastOne("rounds", options.rounds);
  const json = path.resolve(options.json);
  const state = path.resolve(options.state ?? path.dirname(json));
  for (const directory of [path.dirname(json), state]) fs.mkdirSync(directory, { recursive: true });

  copyExecutable();
  const environment = await describeEnvironment(state);
  if (environment.noisy) {
    console.warn(`The load average is ${environment.loadAverage.toFixed(2)}: the figures will be NOISY.`);
  }
  say("process start");
  const start = await measureStart(runs, state);
  const verbs: VerbTimes[] = [];
  for (const scenario of scenarios) {
    say(`ADD, CHECK, DEL: ${scenario.name}`);
    verbs.push(...(await measureVerbs(scenario, runs, state)));
  }
  say("peak memory");
  const peakMemoryMb = await measurePeakMemory(state);
  say("many pods at once");
  const crowd = await measureCrowd(rounds, state);
  if (options.breakdown) say("breakdown");
  const breakdown = options.breakdown ? await traceScenarios(state) : [];

  const figures: Figures = { environment, runs, start, verbs, peakMemoryMb, crowd, breakdown };
  const text = report(figures);
  console.log(text);
  fs.writeFileSync(
    json,
    `${JSON.stringify({ ...figures, targets: targetsOf(figures).map((target) => ({ ...target, met: isMet(target) })) }, undefined, 2)}\n`,
  );
  if (options.update !== undefined) updateDocument(options.update, "bench:cni", text);
  // Speed is for the reader to judge; lost pods are a defect.
  if (crowd.lost.podwire > 0) process.exitCode = 1;
}

async function traceScenarios(state: string) {
  const breakdowns = [];
  for (const scenario of scenarios.slice(0, 2)) breakdowns.push(await measureBreakdown(scenario, state));
  return breakdowns.flat();
}

function copyExecutable(): void {
  process.once("exit", () => fs.rmSync(podwire.program, { force: true }));
  fs.mkdirSync(path.dirname(podwire.program), { recursive: true });
  fs.copyFileSync(executable, podwire.program);
}

function refuseWithoutNeeds(): void {
  if (process.getuid?.() !== 0) throw new Error("the benchmark makes network namespaces: run it as root");
  for (const program of [executable, reference.program]) {
    if (!fs.existsSync(program)) {
      throw new Error(
        `${program} is missing: npm run build makes podwire, the package containernetworking-plugins has the reference`,
      );
    }
  }
}

function atLeastOne(option: string, text: string): number {
  const number = Number(text);
  if (Number.isInteger(number) && number >= 1) return number;
  throw new Error(`--${option} ${text}: expected a whole number of at least 1`);
}

/** Progress, not part of the report. */
function say(text: string): void {
  console.error(`measuring ${text}`);
}
