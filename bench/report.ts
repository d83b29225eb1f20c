// The figures as tables, and what they are held against. The targets are those of a quiet machine with two
// cores.
import type { Breakdown } from "./breakdown.ts";
import { type Both, podwire as ours } from "./contenders.ts";
import type { CrowdTimes } from "./crowd.ts";
import { type Environment, sayEnvironment } from "./environment.ts";
import type { StartTimes } from "./start-times.ts";
import { type Cell, format } from "./table.ts";
import type { VerbTimes } from "./verb-times.ts";

export interface Figures {
  readonly environment: Environment;
  readonly runs: number;
  readonly start: StartTimes;
  readonly verbs: readonly VerbTimes[];
  readonly peakMemoryMb: Both<number> | undefined;
  readonly crowd: CrowdTimes;
  readonly breakdown: readonly Breakdown[];
}

export interface Target {
  readonly what: string;
  readonly measured: number;
  readonly limit: number;
  readonly isLowerBound?: boolean;
  readonly unit: "" | " MB";
}

export function report(figures: Figures): string {
  const { environment, runs, start } = figures;
  return [
    sayEnvironment(environment),
    `${runs} runs of each, p99 by nearest rank${runs < 100 ? ": the slowest" : ""}. What the meter itself adds to each call (fork, exec and exit of /bin/true): ${start.meter.wallMs.median.toFixed(1)} ms.`,
    targetTable(targetsOf(figures)),
    verbTable(figures.verbs),
    restTable(figures),
    ...figures.breakdown.map(breakdownTable),
  ].join("\n\n");
}

export function targetsOf({ start, verbs, peakMemoryMb, crowd }: Figures): Target[] {
  const ofVerb = (verb: string, limit: number): Target[] =>
    verbs
      .filter((times) => times.verb === verb)
      .map((times) => ({
        what: `${verb} / reference, ${times.scenario}`,
        measured: ratio(medians(times.wallMs)),
        limit,
        unit: "",
      }));
  return [
    {
      what: "VERSION / bare Node, start to exit",
      measured: start.podwire.wallMs.median / start.bareNode.wallMs.median,
      limit: 1.25,
      unit: "",
    },
    ...ofVerb("ADD", 4.5),
    ...ofVerb("DEL", 2),
    ...(peakMemoryMb === undefined
      ? []
      : [{ what: "peak memory", measured: peakMemoryMb[ours.name], limit: 70, unit: " MB" } as const]),
    {
      what: `throughput / reference, ${crowd.pods} ADDs, ${crowd.parallel} parallel`,
      measured: 1 / ratio(crowd.addMs),
      limit: 0.25,
      isLowerBound: true,
      unit: "",
    },
    { what: "pods lost of those", measured: crowd.lost.podwire, limit: 0, unit: "" },
  ];
}

export function isMet({ measured, limit, isLowerBound = false }: Target): boolean {
  return isLowerBound ? measured >= limit : measured <= limit;
}

function targetTable(targets: readonly Target[]): string {
  const rows = targets.map((target): Cell[] => [
    target.what,
    `${Number(target.measured.toFixed(2))}${target.unit}`,
    `${target.isLowerBound ? "at least" : "at most"} ${target.limit}${target.unit}`,
    isMet(target) ? "yes" : "NO",
  ]);
  return format({ head: ["target", "measured", "wanted", "met"], rows });
}

function verbTable(verbs: readonly VerbTimes[]): string {
  const rows = verbs.map(({ scenario, verb, wallMs, cpuMs }): Cell[] => [
    scenario,
    verb,
    wallMs.podwire.median,
    wallMs.podwire.p99,
    wallMs.reference.median,
    wallMs.reference.p99,
    ratio(medians(wallMs)),
    cpuMs.podwire.median,
    cpuMs.podwire.p99,
    cpuMs.reference.median,
    cpuMs.reference.p99,
    ratio(medians(cpuMs)),
  ]);
  const columns = ["podwire", "p99", "reference", "p99", "ratio"];
  const head = ["scenario", "verb", "wall ms: podwire", ...columns.slice(1)];
  return format({ head: [...head, "CPU ms: podwire", ...columns.slice(1)], rows });
}

function restTable({ start, peakMemoryMb, crowd }: Figures): string {
  const { pods, parallel } = crowd;
  const perSecond = (both: Both<number>): Both<number> => ({
    podwire: (pods * 1000) / both.podwire,
    reference: (pods * 1000) / both.reference,
  });
  const row = (what: string, both: Both<number>): Cell[] => [what, both.podwire, both.reference, ratio(both)];
  const crowdOf = `${pods} pods, ${parallel} parallel`;
  const rows: Cell[][] = [
    row(`${crowdOf}: all ADDs, ms`, crowd.addMs),
    row(`${crowdOf}: ADDs per second`, perSecond(crowd.addMs)),
    row(`${crowdOf}: all DELs, ms`, crowd.delMs),
    row(`${crowdOf}: DELs per second`, perSecond(crowd.delMs)),
    [
      `pods lost in ${crowd.rounds} rounds of ${pods}`,
      `${crowd.lost.podwire}`,
      `${crowd.lost.reference}`,
      "",
    ],
    ...(peakMemoryMb === undefined ? [] : [row("peak memory of a call, MB", peakMemoryMb)]),
    ["VERSION, start to exit, wall ms", start.podwire.wallMs.median, "", ""],
    ["VERSION, start to exit, CPU ms", start.podwire.cpuMs.median, "", ""],
    ["bare Node (-e 0), wall ms", start.bareNode.wallMs.median, "", ""],
    ["bare Node (-e 0), CPU ms", start.bareNode.cpuMs.median, "", ""],
  ];
  return format({ head: ["", "podwire", "reference", "ratio"], rows });
}

function breakdownTable({ scenario, verb, phases }: Breakdown): string {
  const rows = phases.map(({ what, fromMs, forMs }): Cell[] => [
    Number.isNaN(fromMs) ? "" : fromMs,
    forMs,
    what,
  ]);
  return `Where one ${verb} spends its time (${scenario}; slowed by strace: read the shares):\n\n${format({
    head: ["from ms", "for ms", "what"],
    rows,
  })}`;
}

function medians(both: Both<{ median: number }>): Both<number> {
  return { podwire: both.podwire.median, reference: both.reference.median };
}

function ratio({ podwire, reference }: Both<number>): number {
  return podwire / reference;
}
