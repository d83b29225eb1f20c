// The commands of `npm run lab`. Each returns the exit status.
import { spawn } from "node:child_process";
import { once } from "node:events";
import os from "node:os";
import { updateDocument } from "../../../bench/document.ts";
import { format } from "../../../bench/table.ts";
import { LabError } from "../failure.ts";
import { removeAbandonedBuilds } from "../host/cache.ts";
import type { KernelVersion } from "../image/recipe.ts";
import { disksDirectory, startLab } from "../lab.ts";
import { find, isAbandoned, type LabRecord, labs } from "../machine/record.ts";
import { remove, sweep } from "../machine/removal.ts";
import { sshCommand } from "../machine/ssh.ts";
import { resultsTable } from "../results.ts";

export interface Options {
  readonly name: string;
  readonly nodes: string;
  readonly kernel: string;
  readonly memory: string;
  readonly tests: boolean;
  readonly all: boolean;
  readonly update?: string | undefined;
}

type Command = (operands: readonly string[], options: Options) => Promise<number>;

export const commands: Readonly<Record<string, Command>> = { up, run, ssh, status, results, down };

async function up(_: readonly string[], { name, nodes, kernel, memory, tests }: Options): Promise<number> {
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => giveUp(name, signal));
  const { record, accelerator } = await startLab({
    name,
    nodes: numberFrom("--nodes", nodes),
    // Checked there, with the list of what there is.
    kernel: kernel as KernelVersion,
    memory: numberFrom("--memory", memory),
    payload: tests ? "tests" : "podwire",
    stays: true,
  });
  const emulated = accelerator === "tcg" ? " (emulated: this machine's KVM cannot be used)" : "";
  console.log(`Lab "${name}" is up: ${nodes} nodes, Linux ${record.kernel}${emulated}.
  npm run lab -- ssh 1        a shell on node1; the nodes know each other by name
  npm run lab -- down         ends it
  Consoles are in ${record.disks}.`);
  return 0;
}

function numberFrom(option: string, text: string): number {
  if (/^[0-9]{1,6}$/.test(text)) return Number(text);
  throw new LabError(`${option} ${JSON.stringify(text)}: expected a whole number`);
}

let isGivingUp = false;

/** Guests that are to stay do not end with this process. A listener that is gone would end it before they are. */
async function giveUp(name: string, signal: NodeJS.Signals): Promise<void> {
  if (isGivingUp) return;
  isGivingUp = true;
  const lab = find(name);
  if (lab?.owner?.pid === process.pid) await remove(lab);
  process.exit(128 + os.constants.signals[signal]);
}

async function run([node = "", ...words]: readonly string[], { name }: Options): Promise<number> {
  const lab = findLab(name);
  const command = words.join(" ");
  if (command === "") throw new LabError("run needs a node and a command, for example: run all ip route");
  const statuses: number[] = [];
  for (const number of node === "all" ? numbers(lab) : [numberOf(lab, node)]) {
    if (node === "all") console.log(`node${number}:`);
    statuses.push(await interact(sshCommand(lab, `node${number}`, command)));
  }
  return Math.max(...statuses);
}

function ssh([node = "", ...rest]: readonly string[], { name }: Options): Promise<number> {
  const lab = findLab(name);
  return interact(sshCommand(lab, `node${numberOf(lab, node)}`, ...rest));
}

async function status(): Promise<number> {
  const rows = labs().map((lab) => [
    lab.name,
    `${lab.nodes}`,
    lab.kernel,
    lab.accelerator,
    `${lab.memory} MiB`,
    lab.started,
    stateOf(lab),
    lab.disks,
  ]);
  if (rows.length === 0) console.log("There is no lab.");
  else
    console.log(
      format({ head: ["lab", "nodes", "kernel", "by", "memory", "since", "state", "consoles"], rows }),
    );
  return 0;
}

function stateOf(lab: LabRecord): string {
  if (isAbandoned(lab)) return "left over: the next start or down removes it";
  return lab.owner === undefined ? "stays" : `of process ${lab.owner.pid}`;
}

async function results(_: readonly string[], { update }: Options): Promise<number> {
  const table = resultsTable();
  if (table === undefined) throw new LabError("there are no results yet: sudo ./build/test --full");
  if (update === undefined) console.log(table);
  else updateDocument(update, "lab", `${new Date().toISOString().slice(0, 10)}\n\n${table}`);
  return 0;
}

async function down(_: readonly string[], { name, all }: Options): Promise<number> {
  removeAbandonedBuilds();
  const swept = await sweep(disksDirectory);
  const wanted = labs().filter((lab) => all || lab.name === name);
  for (const lab of wanted) await remove(lab);
  const ended = [...swept, ...wanted.map((lab) => lab.name)];
  console.log(ended.length === 0 ? `There is no lab "${name}".` : `Removed: ${ended.join(", ")}.`);
  return 0;
}

function findLab(name: string): LabRecord {
  const lab = find(name);
  if (lab !== undefined) return lab;
  throw new LabError(
    `there is no lab "${name}": npm run lab -- up starts one, npm run lab -- status lists all`,
  );
}

function numbers(lab: LabRecord): number[] {
  return Array.from({ length: lab.nodes }, (_, index) => index + 1);
}

function numberOf(lab: LabRecord, node: string): number {
  const found = numbers(lab).find((number) => [`${number}`, `node${number}`].includes(node));
  if (found !== undefined) return found;
  throw new LabError(`lab "${lab.name}" has no node "${node}": expected a number from 1 to ${lab.nodes}`);
}

async function interact(command: readonly string[]): Promise<number> {
  const child = spawn(command[0] ?? "", command.slice(1), { stdio: "inherit" });
  const [exitCode] = await once(child, "exit");
  return exitCode ?? 1;
}
