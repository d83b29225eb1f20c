// What the figures depend on beside podwire: the machine, how busy it is, and the programs compared.
import { createHash } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import { execa } from "execa";
import { podwire, reference } from "./contenders.ts";

/** Above this, other work of the machine is in the figures. */
const quietLoad = 0.5;

export interface Environment {
  readonly date: string;
  readonly kernel: string;
  readonly cores: number;
  readonly processor: string;
  readonly loadAverage: number;
  readonly noisy: boolean;
  readonly node: string;
  readonly stateFilesystem: string;
  readonly podwire: string;
  readonly reference: string;
}

export async function describeEnvironment(stateDirectory: string): Promise<Environment> {
  const [loadAverage = 0] = os.loadavg();
  const filesystem = await execa("findmnt", ["-no", "FSTYPE", "-T", stateDirectory], { reject: false });
  const version = await execa(podwire.program, ["version"], { reject: false });
  return {
    date: new Date().toISOString(),
    kernel: os.release(),
    cores: os.availableParallelism(),
    processor: os.cpus()[0]?.model.trim() ?? "unknown",
    loadAverage,
    noisy: loadAverage > quietLoad,
    node: process.version,
    stateFilesystem: filesystem.stdout || "an unknown file system",
    podwire: `${versionText(version.stdout)} sha256:${digest(podwire.program)}`,
    reference: `ptp sha256:${digest(reference.program)}`,
  };
}

export function sayEnvironment(environment: Environment): string {
  const { kernel, cores, processor, loadAverage, node, stateFilesystem, podwire, reference } = environment;
  return [
    `Linux ${kernel}, ${cores} cores (${processor}), load average ${loadAverage.toFixed(2)} at the start;`,
    `Node ${node}; state on ${stateFilesystem}; ${podwire}; ${reference}; ${environment.date}.`,
    ...(environment.noisy ? [`**Noisy: the load was above ${quietLoad}; repeat on a quiet machine.**`] : []),
  ].join("\n");
}

function versionText(stdout: string): string {
  const line = (stdout.split("\n")[0] ?? "").replaceAll(/\s+/g, " ").trim();
  return line.startsWith("podwire") ? line : `podwire ${line}`.trim();
}

/** Reading a program whole also puts it into the page cache. */
function digest(file: string): string {
  return createHash("sha256").update(fs.readFileSync(file)).digest("hex").slice(0, 12);
}
