// What `npm ci` needs to work with every npm from 9 on, wherever the packages come from.
import fs from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";

interface Locked {
  readonly resolved?: string;
  readonly hasInstallScript?: boolean;
  readonly dependencies?: Record<string, string>;
  readonly optionalDependencies?: Record<string, string>;
}

const root = path.join(import.meta.dirname, "../..");
const read = (file: string) => JSON.parse(fs.readFileSync(path.join(root, file), "utf8"));
const locked: Record<string, Locked> = read("package-lock.json").packages;

test("the lock file names no place that packages are fetched from", () => {
  expect(Object.values(locked).filter(({ resolved }) => resolved?.startsWith("http"))).toEqual([]);
});

test("the lock file has every package that another one names, also those of other platforms (npm 11)", () => {
  const named = Object.values(locked).flatMap(({ dependencies, optionalDependencies }) =>
    Object.keys({ ...dependencies, ...optionalDependencies }),
  );
  const isLocked = (name: string) => Object.keys(locked).some((key) => key.endsWith(`node_modules/${name}`));
  expect(named.filter((name) => !isLocked(name))).toEqual([]);
});

test("packages with install scripts are allowed to run them (npm 12)", () => {
  const scripted = Object.entries(locked)
    .filter(([, { hasInstallScript }]) => hasInstallScript)
    .map(([key]) => key.replace(/^.*node_modules\//, ""));
  const allowed: Record<string, boolean> = read("package.json").allowScripts ?? {};
  expect(scripted.filter((name) => !allowed[name])).toEqual([]);
});
