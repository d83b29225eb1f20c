// The ground on which a file of trouble stands: names and directories that bear its mark, and the check after every
// test that nothing with that mark is left on the machine.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { execa, type Options } from "execa";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { cacheDirectory } from "../host/cache.ts";
import { kernel } from "../image/kernel.ts";
import { rootImage } from "../image/root.ts";
import { markVariable, tracesOf } from "./traces.ts";

export interface Ground {
  readonly mark: string;
  /** A name for a lab. */
  name(): string;
  /** A value for PODWIRE_LAB_CACHE; `finished`: what of the checkout's own cache it has already. */
  cache(finished?: readonly ("root" | "kernel")[]): string;
  /** Environment for whatever is started. */
  env(more?: Readonly<Record<string, string>>): Record<string, string>;
  /** Runs `npm run lab -- ...words`. `within` is a command that runs the command it is given. */
  lab(words: readonly string[], options?: LabCommand): Promise<Outcome>;
  traces(): string[];
}

export interface LabCommand {
  readonly env?: Readonly<Record<string, string>>;
  readonly within?: readonly string[];
}

export interface Outcome {
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

const command = path.join(import.meta.dirname, "../cli.ts");

/** For the top of a test file. */
export function ground(): Ground {
  const mark = `trouble-${process.pid}-${Date.now().toString(36)}`;
  const caches: string[] = [];
  let counter = 0;
  const own: Ground = {
    mark,
    name: () => `${mark}-${++counter}`,
    cache: (finished = []) => {
      const cache = fs.mkdtempSync(path.join(os.tmpdir(), `${mark}-`));
      fs.mkdirSync(path.join(cache, "podwire-lab"));
      for (const product of finished.flatMap(finishedProducts))
        fs.symlinkSync(product, path.join(cache, "podwire-lab", path.basename(product)));
      caches.push(cache);
      return cache;
    },
    env: (more = {}) => ({ [markVariable]: mark, ...more }),
    lab: async (words, { env = {}, within = [] } = {}) => {
      const [program = "", ...args] = [...within, process.execPath, command, ...words];
      const options = {
        reject: false,
        stdin: "ignore",
        timeout: 300_000,
        env: own.env(env),
      } satisfies Options;
      const { exitCode, stdout, stderr } = await execa(program, args, options);
      return { exitCode, stdout, stderr };
    },
    traces: () => tracesOf(mark, caches),
  };
  // So that a test's time is its own.
  beforeAll(async () => {
    await kernel("6.1", (await rootImage()).busybox);
  }, 1_800_000);
  afterEach(() => {
    expect(own.traces(), "what is left on the machine").toEqual([]);
  });
  afterAll(() => {
    for (const cache of caches) fs.rmSync(cache, { recursive: true, force: true });
  });
  return own;
}

/** There is one of each recipe, and those of older ones are removed. */
function finishedProducts(product: string): string[] {
  const entries = fs.readdirSync(cacheDirectory).filter((entry) => entry.startsWith(`${product}-`));
  return entries.map((entry) => path.join(cacheDirectory, entry));
}

/** Checks that a command failed with one message and nothing else, which is returned. */
export function messageOf({ exitCode, stdout, stderr }: Outcome): string {
  expect({ exitCode, stdout }, stderr).toEqual({ exitCode: 1, stdout: "" });
  const progress = /^lab: (building|fetching) .*\n/;
  let message = stderr;
  while (progress.test(message)) message = message.replace(progress, "");
  expect(message).toMatch(/^lab: /);
  expect(message.match(/^lab: /gm), message).toHaveLength(1);
  expect(message, "traces of JavaScript").not.toMatch(
    /\n\s+at |node:internal|LabError|\[object|undefined|NaN/,
  );
  return message;
}
