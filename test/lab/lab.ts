// The lab: virtual machines with Debian's kernels, joined by a bridge, started and removed by their user.
import fs from "node:fs";
import path from "node:path";
import { LabError } from "./failure.ts";
import { accelerator } from "./host/accelerator.ts";
import { cacheDirectory, removeAbandonedBuilds } from "./host/cache.ts";
import { requireLabHost, requireMemory, requireSpace } from "./host/requirements.ts";
import { kernel } from "./image/kernel.ts";
import { type OpenVswitchVersion, openVswitchOf } from "./image/open-vswitch.ts";
import { makePayload, type Payload, requirePodwire } from "./image/payload.ts";
import { checkKernel, type KernelVersion, slownessOf } from "./image/recipe.ts";
import { rootImage } from "./image/root.ts";
import { enter, keep } from "./machine/entry.ts";
import { faultsIn } from "./machine/kernel-log.ts";
import { makeNetwork } from "./machine/network.ts";
import { type LabNode, startNode } from "./machine/node.ts";
import { type Accelerator, type Guest, makeDisk, type Timing } from "./machine/qemu.ts";
import { checkName, type LabRecord } from "./machine/record.ts";
import { remove, sweep } from "./machine/removal.ts";
import { writeSshConfig } from "./machine/ssh.ts";

export interface LabOptions {
  /** Default: 2. */
  readonly nodes?: number;
  /** Default: 6.1. */
  readonly kernel?: KernelVersion;
  /** MiB of each node; default: 1024. */
  readonly memory?: number;
  /** Of each node; default: 1. Instructions of several are not counted so that figures repeat. */
  readonly processors?: number;
  /** Default: "wall-clock". "instructions" means emulation, also where KVM works. */
  readonly timing?: Timing;
  /** Of [a-z0-9-]; default: one that is free. */
  readonly name?: string;
  /** "podwire" is on /opt/cni/bin in any case; "tests" adds this project's tests and what runs them. */
  readonly payload?: Payload;
  /** Programs of this version are brought along, for tests in guests. */
  readonly openVswitch?: OpenVswitchVersion;
  /** The lab outlives this process; `npm run lab -- down` ends it. */
  readonly stays?: boolean;
  /** Further words for the guests' kernel. */
  readonly kernelArguments?: string;
  /** Seconds that a guest has to come up; default: 120. */
  readonly bootSeconds?: number;
}

export interface Lab {
  readonly record: LabRecord;
  readonly kernel: KernelVersion;
  readonly accelerator: Accelerator;
  readonly nodes: readonly LabNode[];
  /** The first nodes; a lab has at least one. */
  readonly node1: LabNode;
  readonly node2: LabNode;
  /** What is wrong by the kernels' own words, as `node1: line`; empty if all is well. */
  faults(): Promise<string[]>;
  /** Copies consoles and kernel logs to where they stay; returns that directory. */
  keepLogs(): Promise<string>;
  /** Ends all processes of the lab and removes what it made. */
  stop(): Promise<void>;
}

/** Where the disks of all labs of this checkout are. */
export const disksDirectory = path.join(cacheDirectory, "labs");

const logsDirectory = path.join(cacheDirectory, "logs");
let counter = 0;

export async function startLab(options: LabOptions = {}): Promise<Lab> {
  const { nodes: count = 2, memory = 1024, processors = 1, timing = "wall-clock", stays = false } = options;
  const version = checkKernel(options.kernel ?? "6.1");
  checkNumber("nodes", count, 1, 99);
  checkNumber("MiB of memory for each node", memory, 256, 65536);
  checkNumber("processors for each node", processors, 1, timing === "instructions" ? 1 : 16);
  if (options.name !== undefined) checkName(options.name);
  requireLabHost();
  requirePodwire();
  removeAbandonedBuilds();
  await sweep(disksDirectory);
  const root = await rootImage();
  const booted = await kernel(version, root.busybox);
  const acceleration = timing === "instructions" ? "tcg" : await accelerator(booted);
  // Under emulation a guest's QEMU holds translated code besides.
  requireMemory(count, memory + (acceleration === "tcg" ? 600 : 0));
  requireSpace(cacheDirectory, 400 + 200 * count, `a lab of ${count} nodes`);
  const record = await enter({
    name: options.name ?? `test-${process.pid}-${++counter}`,
    kernel: booted.release,
    accelerator: acceleration,
    nodes: count,
    memory,
    disksDirectory,
  });
  try {
    const payload = path.join(record.disks, "payload.ext4");
    const { payload: content = "podwire", openVswitch } = options;
    const programs = openVswitch === undefined ? undefined : await openVswitchOf(openVswitch);
    const keys = await makePayload(content, programs, payload, record.disks, record.directory);
    writeSshConfig(record.directory, count, keys);
    await makeNetwork(record.netns, count);
    const guests = Array.from(
      { length: count },
      (_, index): Guest => ({
        number: index + 1,
        nodes: count,
        memory,
        processors,
        accelerator: acceleration,
        timing,
        vmlinuz: booted.vmlinuz,
        initramfs: booted.initramfs,
        images: [booted.modules, payload],
        directory: record.disks,
        sockets: record.directory,
        ...(options.kernelArguments === undefined ? {} : { kernelArguments: options.kernelArguments }),
      }),
    );
    for (const guest of guests) await makeDisk(guest, root.image);
    const { bootSeconds = 120 } = options;
    const slowness = slownessOf(version);
    const nodes = await allOrFirstFailure(
      guests.map((guest) => startNode({ lab: record, guest, outlives: stays, bootSeconds, slowness })),
    );
    return makeLab(stays ? keep(record) : record, version, acceleration, nodes);
  } catch (error) {
    await remove(record, keepConsoles);
    throw error;
  }
}

function checkNumber(what: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new LabError(`${value} is no number of ${what}: expected a whole number from ${least} to ${most}`);
}

/** Waits for all, so that none is still starting when the lab is removed. */
async function allOrFirstFailure<T>(started: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(started);
  return Promise.all(started);
}

function makeLab(
  record: LabRecord,
  version: KernelVersion,
  acceleration: Accelerator,
  nodes: readonly LabNode[],
): Lab {
  const nth = (index: number): LabNode => {
    const node = nodes[index];
    if (node === undefined) throw new LabError(`this lab has no node${index + 1}`);
    return node;
  };
  let stopped: Promise<void> | undefined;
  return {
    record,
    kernel: version,
    accelerator: acceleration,
    nodes,
    get node1() {
      return nth(0);
    },
    get node2() {
      return nth(1);
    },
    faults: async () => (await Promise.all(nodes.map(faultsOf))).flat(),
    keepLogs: async () => {
      const kept = keepConsoles(record);
      for (const node of nodes)
        fs.writeFileSync(path.join(kept, `${node.name}.dmesg`), await kernelLogOf(node));
      return kept;
    },
    stop: () => {
      stopped ??= remove(record);
      return stopped;
    },
  };
}

/** Empty of a guest that cannot be asked any more. */
async function kernelLogOf(node: LabNode): Promise<string> {
  return node.isRunning() ? node.kernelLog().catch(() => "") : "";
}

/** The console has what a guest could not say any more; its level leaves some warnings out. */
async function faultsOf(node: LabNode): Promise<string[]> {
  const faults = [...faultsIn(await kernelLogOf(node)), ...faultsIn(node.console())];
  return [...new Set(faults)].map((line) => `${node.name}: ${line}`);
}

function keepConsoles({ name, disks }: LabRecord): string {
  const directory = path.join(logsDirectory, name);
  fs.mkdirSync(directory, { recursive: true });
  forgetOldLogs();
  for (const file of fs.readdirSync(disks)) {
    if (/\.(console|qemu)$/.test(file)) fs.copyFileSync(path.join(disks, file), path.join(directory, file));
  }
  return directory;
}

const keptLogs = 20;

function forgetOldLogs(): void {
  const directories = fs.readdirSync(logsDirectory).map((name) => path.join(logsDirectory, name));
  const byAge = directories.sort((a, b) => fs.statSync(b).mtimeMs - fs.statSync(a).mtimeMs);
  for (const old of byAge.slice(keptLogs)) fs.rmSync(old, { recursive: true, force: true });
}
