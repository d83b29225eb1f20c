// A guest as tests see it.
import fs from "node:fs";
import { LabError, lastLines } from "../failure.ts";
import { address6Of, addressOf } from "./network.ts";
import { failure, type Guest, type Qemu, readConsole, startQemu, untilReady } from "./qemu.ts";
import type { LabRecord } from "./record.ts";
import { type Connection, connect, type Execution, execute, type Remote } from "./ssh.ts";

/** Where traffic comes from or goes to: a node, or a pod on it. */
export interface Endpoint {
  readonly name: string;
  readonly address: string;
  readonly address6?: string;
  /** Runs a bash script, with -e and pipefail; returns what it prints and throws if it fails. */
  sh(script: string, options?: Remote): Promise<string>;
}

export interface LabNode extends Endpoint {
  readonly number: number;
  readonly address6: string;
  /** Process id of the guest's QEMU. */
  readonly pid: number;
  /** Runs a program with any outcome but the guest's own end. */
  attempt(program: string, args: readonly string[], options?: Remote): Promise<Execution>;
  /** Runs a program; throws if it fails. */
  run(program: string, ...args: string[]): Promise<string>;
  has(file: string): Promise<boolean>;
  write(file: string, content: string): Promise<void>;
  /** The kernel's log since it was booted. */
  kernelLog(): Promise<string>;
  /** All that the guest ever printed on its console. */
  console(): string;
  isRunning(): boolean;
  /** Restarts the guest on its disk, as pulling the plug does. Returns when it is up again. */
  reset(): Promise<void>;
}

export interface NodePlan {
  readonly lab: LabRecord;
  readonly guest: Guest;
  readonly outlives: boolean;
  readonly bootSeconds: number;
  /** How many times as long the guest may take for all that it does, its boot included. */
  readonly slowness: number;
}

const commandSeconds = 120;
const connectionSeconds = 60;

export async function startNode({ lab, guest, outlives, bootSeconds, slowness }: NodePlan): Promise<LabNode> {
  const name = `node${guest.number}`;
  let qemu: Qemu;
  let connection: Connection | undefined;
  let gone: AbortSignal;
  const boot = async () => {
    const from = readConsole(guest).length;
    qemu = startQemu(guest, lab.netns, outlives);
    const end = new AbortController();
    qemu.ended.then(() => {
      end.abort();
      // It holds the output of commands that nobody will end.
      return connection?.close();
    });
    gone = end.signal;
    await untilReady(guest, qemu, from, bootSeconds * slowness);
    const tooLate = AbortSignal.timeout(connectionSeconds * slowness * 1000);
    connection = await connect(lab, name, outlives, AbortSignal.any([gone, tooLate]));
  };
  const attempt: LabNode["attempt"] = async (program, args, options = {}) => {
    const timeoutSeconds = (options.timeoutSeconds ?? commandSeconds) * slowness;
    const finished = await execute(lab, name, [program, ...args], {
      ...options,
      timeoutSeconds,
      signal: gone,
    });
    if (!fs.existsSync(lab.directory)) throw new LabError(`${name} is gone: its lab was stopped`);
    const isCutOff = finished.isCutOff || (finished.exitCode === 255 && !connection?.isOpen());
    if (!finished.timedOut && !isCutOff) return finished;
    const shown = [program, ...args].join(" ").slice(0, 500);
    const printed = lastLines(`${finished.stdout}\n${finished.stderr}`);
    if (finished.timedOut) throw failure(guest, `did not finish in time: ${shown}\n${printed}`);
    throw failure(guest, `${qemu.isRunning() ? "was cut off" : "ended"} while it ran: ${shown}`);
  };
  const check = (what: string, { stdout, stderr, exitCode }: Execution) => {
    if (exitCode === 0) return stdout;
    throw new LabError(`${what} failed on ${name} (${exitCode}); it printed:`, `${stdout}\n${stderr}`);
  };
  const run: LabNode["run"] = async (program, ...args) =>
    check([program, ...args].join(" "), await attempt(program, args));
  await boot();
  return {
    name,
    number: guest.number,
    address: addressOf(guest.number),
    address6: address6Of(guest.number),
    get pid() {
      return qemu.pid;
    },
    attempt,
    run,
    sh: async (script, options) =>
      check(script, await attempt("bash", ["-e", "-o", "pipefail", "-c", script], options)),
    has: async (file) => (await attempt("test", ["-e", file])).exitCode === 0,
    write: async (file, content) => {
      check(`writing ${file}`, await attempt("tee", [file], { input: content }));
    },
    kernelLog: () => run("dmesg"),
    console: () => readConsole(guest),
    isRunning: () => qemu.isRunning(),
    reset: async () => {
      qemu.kill();
      await Promise.all([qemu.ended, connection?.close()]);
      await boot();
    },
  };
}
