// A program that is to be killed at a moment that is told by what it has made, not by a clock.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { disksDirectory } from "../lab.ts";
import { processesOf } from "./traces.ts";

export interface Victim {
  readonly child: ChildProcess;
  /** What it printed so far. */
  printed(): string;
  /** Waits until `isReached`; fails if the victim ends before. */
  until(isReached: () => boolean): Promise<void>;
  /** Resolves when it is gone. */
  readonly ended: Promise<unknown>;
  /** Returns when it is gone. */
  kill(signal?: NodeJS.Signals): Promise<void>;
}

export function startVictim(command: readonly string[], env: Readonly<Record<string, string>>): Victim {
  const [program = "", ...args] = command;
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } });
  let text = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk) => {
      text += chunk;
    });
  const ended = once(child, "exit");
  return {
    child,
    ended,
    printed: () => text,
    until: async (isReached) => {
      while (!isReached()) {
        expect(child.exitCode, text).toBe(null);
        await sleep(2);
      }
    },
    kill: async (signal = "SIGKILL") => {
      child.kill(signal);
      await ended;
    },
  };
}

/** How far the start of a lab of one node has come, by what is there to see; in the order of the start. */
export const stagesOfStart: Readonly<Record<string, (lab: string) => boolean>> = {
  "its name is taken": (lab) => fs.existsSync(`/run/podwire-lab/${lab}/lab.json`),
  "its payload is being made": (lab) => fs.existsSync(path.join(disksDirectory, lab, "payload")),
  "its network namespace is there": (lab) => fs.existsSync(`/run/netns/pwlab-${lab}`),
  "its disk is there": (lab) => fs.existsSync(path.join(disksDirectory, lab, "node1.qcow2")),
  "its QEMU runs": (lab) => fs.existsSync(path.join(disksDirectory, lab, "node1.console")),
  "its guest is ready": (lab) => consoleOf(lab).includes("podwire-lab: ready"),
  "its connection is open": (lab) => fs.existsSync(`/run/podwire-lab/${lab}/node1.ssh`),
};

function consoleOf(lab: string): string {
  const file = path.join(disksDirectory, lab, "node1.console");
  return fs.existsSync(file) ? fs.readFileSync(file, "utf8") : "";
}

/** Waits until the kernel has ended what its owner's death ends; what is left is not going to end. */
export async function withoutProcesses(mark: string): Promise<void> {
  await expect.poll(() => processesOf(mark), { timeout: 20_000 }).toEqual([]);
}
