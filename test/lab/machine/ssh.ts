// The way into guests: ssh over the control bridge, one connection per guest that all commands share, because
// under emulation its key exchange takes a second.
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { LabError } from "../failure.ts";
import { bound } from "../host/run.ts";
import type { Keys } from "../image/payload.ts";
import { controlAddressOf } from "./network.ts";

/** Writes the ssh configuration in which guests are `node1`, `node2` and so on. Returns its file. */
export function writeSshConfig(directory: string, nodes: number, keys: Keys): string {
  const file = path.join(directory, "ssh_config");
  const common = [
    "Host *",
    "User root",
    `IdentityFile ${keys.client}`,
    "IdentitiesOnly yes",
    `UserKnownHostsFile ${keys.knownHosts}`,
    "GlobalKnownHostsFile /dev/null",
    "LogLevel ERROR",
    `ControlPath ${directory}/%n.ssh`,
    "ServerAliveInterval 15",
    "ServerAliveCountMax 8",
    "ConnectTimeout 30",
    "ForwardAgent no",
  ];
  const hosts = Array.from({ length: nodes }, (_, index) => [
    `Host node${index + 1}`,
    `HostName ${controlAddressOf(index + 1)}`,
  ]);
  fs.writeFileSync(file, `${[...hosts.flat(), ...common].join("\n")}\n`);
  return file;
}

/** What to run on the host for `ssh ...args` to a guest of the lab. */
export function sshCommand(
  { netns, directory }: { netns: string; directory: string },
  ...args: readonly string[]
): string[] {
  const config = path.join(directory, "ssh_config");
  return ["nsenter", `--net=/run/netns/${netns}`, "ssh", "-F", config, ...args];
}

/** The connection to a guest that all commands share. */
export interface Connection {
  isOpen(): boolean;
  /** At once, without a word to the guest. */
  close(): Promise<void>;
}

/** Opens it; `signal` gives up. It ends with this process unless it `outlives` it. */
export async function connect(
  lab: { netns: string; directory: string },
  host: string,
  outlives: boolean,
  signal: AbortSignal,
): Promise<Connection> {
  const socket = path.join(lab.directory, `${host}.ssh`);
  fs.rmSync(socket, { force: true });
  const master = sshCommand(lab, "-M", "-N", host);
  const [program = "", ...args] = outlives ? master : [...bound, ...master];
  const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"], detached: outlives });
  let said = "";
  child.stderr.on("data", (chunk) => {
    said += chunk;
  });
  const isRunning = () => child.exitCode === null && child.signalCode === null;
  const ended = once(child, "exit");
  const close = async () => {
    // Told to end it would remove the socket, which may be its successor's by then.
    child.kill("SIGKILL");
    if (isRunning()) await ended;
  };
  while (!fs.existsSync(socket)) {
    if (!isRunning()) {
      throw new LabError(`ssh to ${host} ended (${child.exitCode ?? child.signalCode}):`, said);
    }
    if (signal.aborted) {
      await close();
      throw new LabError(`ssh to ${host} was not answered:`, said);
    }
    await sleep(20);
  }
  child.unref();
  child.stderr.destroy();
  return { isOpen: isRunning, close };
}

export interface Remote {
  readonly input?: string | undefined;
  readonly env?: NodeJS.ProcessEnv | undefined;
  readonly timeoutSeconds?: number | undefined;
  /** Gives up on the command. */
  readonly signal?: AbortSignal;
}

export interface Execution {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number | undefined;
  readonly timedOut: boolean;
  /** The guest's own end, or that of the connection to it. */
  readonly isCutOff: boolean;
}

/** Runs a program in a guest, with any outcome. */
export async function execute(
  lab: { netns: string; directory: string },
  host: string,
  command: readonly string[],
  { input, env = {}, timeoutSeconds = 120, signal }: Remote,
): Promise<Execution> {
  const variables = Object.entries(env).flatMap(([key, value]) =>
    value === undefined ? [] : [`${key}=${value}`],
  );
  const words = variables.length === 0 ? command : ["env", ...variables, ...command];
  const [program = "", ...args] = [...bound, ...sshCommand(lab, host, words.map(quote).join(" "))];
  const child = execa(program, args, {
    reject: false,
    ...(input === undefined ? { stdin: "ignore" } : { input }),
  });
  const timeout = AbortSignal.timeout(timeoutSeconds * 1000);
  const giveUp = AbortSignal.any([timeout, ...(signal === undefined ? [] : [signal])]);
  // The shared connection has the command's output too, and keeps it open while the guest hangs.
  const end = () => {
    child.kill("SIGKILL");
    child.stdout.destroy();
    child.stderr.destroy();
  };
  giveUp.addEventListener("abort", end, { once: true });
  if (giveUp.aborted) end();
  const { stdout = "", stderr = "", exitCode } = await child;
  giveUp.removeEventListener("abort", end);
  const timedOut = giveUp.aborted && !signal?.aborted;
  const isCutOff = !timedOut && (exitCode === undefined || isConnectionLost(exitCode, stderr));
  return { stdout, stderr, exitCode, timedOut, isCutOff };
}

/** ssh's own failures have its one exit status, which a program could have too, and its words. */
function isConnectionLost(exitCode: number, stderr: string): boolean {
  return exitCode === 255 && /^(ssh|mux_client|Connection|client_loop|kex_|Control socket)/m.test(stderr);
}

/** A word as a POSIX shell reads it back. */
export function quote(word: string): string {
  return /^[A-Za-z0-9_./:=@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
