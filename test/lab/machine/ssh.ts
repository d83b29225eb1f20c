// The way into guests: ssh over the control bridge, one connection per guest that all commands share, because
// under emulation its key exchange takes a second.
import { spawn } from "node:child_process";
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
    "ControlMaster auto",
    `ControlPath ${directory}/%n.ssh`,
    "ControlPersist yes",
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

/** Opens the connection that all commands will share. It ends with this process unless it `outlives` it. */
export async function connect(
  lab: { netns: string; directory: string },
  host: string,
  outlives: boolean,
): Promise<void> {
  const socket = path.join(lab.directory, `${host}.ssh`);
  fs.rmSync(socket, { force: true });
  const master = sshCommand(lab, "-M", "-N", host);
  const [program = "", ...args] = outlives ? master : [...bound, ...master];
  const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"], detached: outlives });
  let said = "";
  child.stderr.on("data", (chunk) => {
    said += chunk;
  });
  while (!fs.existsSync(socket)) {
    if (child.exitCode !== null) throw new LabError(`ssh to ${host} failed (${child.exitCode}):`, said);
    await sleep(20);
  }
  child.unref();
  child.stderr.destroy();
}

export interface Remote {
  readonly input?: string | undefined;
  readonly env?: NodeJS.ProcessEnv | undefined;
  readonly timeoutSeconds?: number | undefined;
}

export interface Execution {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number | undefined;
  readonly timedOut: boolean;
}

/** Runs a program in a guest, with any outcome. */
export async function execute(
  lab: { netns: string; directory: string },
  host: string,
  command: readonly string[],
  { input, env = {}, timeoutSeconds = 120 }: Remote,
): Promise<Execution> {
  const variables = Object.entries(env).flatMap(([key, value]) =>
    value === undefined ? [] : [`${key}=${value}`],
  );
  const words = variables.length === 0 ? command : ["env", ...variables, ...command];
  const [program = "", ...args] = [...bound, ...sshCommand(lab, host, words.map(quote).join(" "))];
  const { stdout, stderr, exitCode, timedOut } = await execa(program, args, {
    reject: false,
    timeout: timeoutSeconds * 1000,
    ...(input === undefined ? { stdin: "ignore" } : { input }),
  });
  return { stdout: stdout ?? "", stderr: stderr ?? "", exitCode, timedOut };
}

/** A word as a POSIX shell reads it back. */
export function quote(word: string): string {
  return /^[A-Za-z0-9_./:=@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
