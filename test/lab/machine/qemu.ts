// One guest as one QEMU process in the lab's network namespace. It ends when the guest's kernel panics, powers
// off or restarts; a restart is a new process on the same disk.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { LabError, lastLines } from "../failure.ts";
import { bound, run } from "../host/run.ts";
import { faultsIn } from "./kernel-log.ts";
import { macOf, tapOf, type Wire } from "./network.ts";

/** "instructions": guest time is what the guest's instructions take at a fixed speed, so that figures repeat. */
export type Timing = "wall-clock" | "instructions";

export type Accelerator = "kvm" | "tcg";

export interface Guest {
  readonly number: number;
  readonly nodes: number;
  /** MiB. */
  readonly memory: number;
  readonly processors: number;
  readonly accelerator: Accelerator;
  readonly timing: Timing;
  readonly vmlinuz: string;
  readonly initramfs: string;
  /** Read-only images: modules, payload. */
  readonly images: readonly string[];
  /** Directory of the guest's own disk and console. */
  readonly directory: string;
  /** Directory for sockets, whose path must be short. */
  readonly sockets: string;
  readonly kernelArguments?: string;
}

/**
 * Fixed addresses in the kernel help a debugger, and measurements to repeat. On a busy host the kernel's early
 * check of the timer sees none and panics.
 */
const kernelArguments = [
  ...["console=ttyS0", "loglevel=5", "panic=-1", "nokaslr", "no_timer_check", "net.ifnames=0"],
  "rcupdate.rcu_cpu_stall_timeout=60",
];

/**
 * An emulated processor's translations are found by address, so that a program whose libraries are elsewhere each time is
 * translated anew each time: `ip` took three times as long.
 */
const emulated = ["norandmaps"];

/** Defences against other programs of the guest, of which nobody is afraid. Where instructions count they stay, as on nodes. */
const undefended = ["mitigations=off"];

function diskOf({ directory, number }: Pick<Guest, "directory" | "number">): string {
  return path.join(directory, `node${number}.qcow2`);
}

export function consoleOf({ directory, number }: Pick<Guest, "directory" | "number">): string {
  return path.join(directory, `node${number}.console`);
}

/** What QEMU itself has to say. */
function qemuLogOf({ directory, number }: Pick<Guest, "directory" | "number">): string {
  return path.join(directory, `node${number}.qemu`);
}

/** Where people attach to the console (socat) or the kernel (gdb). */
function socketOf({ sockets, number }: Pick<Guest, "sockets" | "number">, kind: "console" | "gdb"): string {
  return path.join(sockets, `node${number}.${kind}`);
}

export async function makeDisk(guest: Guest, rootImage: string): Promise<void> {
  await run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", rootImage, "-F", "raw", diskOf(guest)]);
}

export function qemuCommand(guest: Guest): string[] {
  const { number, nodes, memory, processors, vmlinuz, initramfs, images } = guest;
  const append = [
    ...kernelArguments,
    ...(guest.accelerator === "tcg" ? emulated : []),
    ...(guest.timing === "wall-clock" ? undefended : []),
    `podwire.node=${number}`,
    `podwire.nodes=${nodes}`,
    guest.kernelArguments,
  ];
  return [
    ...["qemu-system-x86_64", "-name", `node${number}`, "-nodefaults", "-display", "none", "-no-reboot"],
    ...["-machine", "q35", ...acceleration(guest), "-smp", String(processors), "-m", String(memory)],
    ...["-kernel", vmlinuz, "-initrd", initramfs, "-append", append.filter(Boolean).join(" ")],
    // A log that is appended to, and a socket for people.
    "-chardev",
    `socket,id=console,path=${socketOf(guest, "console")},server=on,wait=off,` +
      `logfile=${option(consoleOf(guest))},logappend=on`,
    ...["-serial", "chardev:console"],
    ...["-gdb", `unix:${socketOf(guest, "gdb")},server=on,wait=off`],
    // What a guest wrote need not survive the host. On a full disk QEMU would stop the guest without a word.
    ...["-drive", `file=${option(diskOf(guest))},if=virtio,format=qcow2,cache=unsafe,werror=report`],
    ...images.flatMap((image) => [
      "-drive",
      `file=${option(image)},if=virtio,format=raw,readonly=on,file.locking=off`,
    ]),
    ...nic("data", number, guest.timing === "instructions" ? sentByTheGuestsClock : ""),
    ...nic("control", number),
    ...["-object", "rng-random,id=rng,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=rng"],
  ];
}

/** A path as a part of QEMU's comma-separated options. */
function option(path: string): string {
  return path.replaceAll(",", ",,");
}

export function acceleration({ accelerator, timing }: Pick<Guest, "accelerator" | "timing">): string[] {
  if (accelerator === "kvm") return ["-accel", "kvm", "-cpu", "host"];
  // The default translation cache is a fifth of the host's memory for each guest.
  const cache = "tb-size=512";
  // QEMU 7.2 leaves wrong flags after cmpxchg16b, with which kernels from 6.12 on die now and then of a double fault.
  // With la57 page tables would have a fifth level, for nothing.
  const cpu = ["-cpu", "max,cx16=off,la57=off"];
  if (timing === "instructions") {
    return ["-accel", `tcg,thread=single,${cache}`, "-icount", "shift=2,sleep=on", ...cpu];
  }
  return ["-accel", `tcg,thread=multi,${cache}`, ...cpu];
}

/**
 * QEMU's other thread usually sends what the guest has, as soon as the host lets it, and how often it interrupts the
 * guest for that is up to the host. So it is sent each millisecond of the guest's own time. That is some 40 packets:
 * few enough for the ring, and enough that the allocator's luck with their buffers evens out (with 7 it was 2 %).
 */
const sentByTheGuestsClock = ",tx=timer,x-txtimer=1000000,ioeventfd=off";

function nic(wire: Wire, node: number, sending = ""): string[] {
  return [
    ...["-netdev", `tap,id=${wire},ifname=${tapOf(wire, node)},script=no,downscript=no`],
    ...["-device", `virtio-net-pci,netdev=${wire},mac=${macOf(wire, node)},romfile=${sending}`],
  ];
}

export interface Qemu {
  readonly pid: number;
  isRunning(): boolean;
  /** Resolves when the process is gone. */
  readonly ended: Promise<void>;
  kill(): void;
}

/** Starts the guest in the network namespace; `outlives` keeps it when this process ends. */
export function startQemu(guest: Guest, netns: string, outlives: boolean): Qemu {
  for (const kind of ["console", "gdb"] as const) fs.rmSync(socketOf(guest, kind), { force: true });
  const log = fs.openSync(qemuLogOf(guest), "a");
  const command = [...(outlives ? [] : bound), "nsenter", `--net=/run/netns/${netns}`, ...qemuCommand(guest)];
  const child = spawn(command[0] ?? "", command.slice(1), {
    stdio: ["ignore", log, log],
    detached: outlives,
  });
  fs.closeSync(log);
  if (outlives) child.unref();
  return {
    pid: child.pid ?? 0,
    isRunning: () => isAlive(child),
    ended: end(child),
    kill: () => child.kill("SIGKILL"),
  };
}

function isAlive(child: ChildProcess): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null;
}

async function end(child: ChildProcess): Promise<void> {
  if (isAlive(child)) await once(child, "exit").catch(() => {});
}

/** Waits until the guest's init says that it is ready, in what the console printed after `from`. */
export async function untilReady(guest: Guest, qemu: Qemu, from: number, seconds: number): Promise<void> {
  const deadline = Date.now() + seconds * 1000;
  while (!readConsole(guest).slice(from).includes("podwire-lab: ready")) {
    if (!qemu.isRunning()) throw failure(guest, "ended before it was up");
    if (Date.now() > deadline) throw failure(guest, `did not come up within ${seconds} s`);
    await sleep(50);
  }
}

export function readConsole(guest: Pick<Guest, "directory" | "number">): string {
  return read(consoleOf(guest));
}

/** With what QEMU said itself, if anything, what its kernel complained of, and the end of the console. */
export function failure(guest: Guest, what: string): LabError {
  const console = readConsole(guest);
  const parts = [
    ["QEMU said", read(qemuLogOf(guest))],
    ["Its kernel said", faultsIn(console).slice(0, 10).join("\n")],
    ["The end of its console", console === "" ? "(empty)" : console],
  ] as const;
  const shown = parts
    .filter(([, text]) => text !== "")
    .map(([title, text]) => `${title}:\n${lastLines(text)}`);
  return new LabError([`node${guest.number} ${what}.`, ...shown].join("\n"));
}

function read(file: string): string {
  return fs.existsSync(file) ? fs.readFileSync(file, "utf8") : "";
}
