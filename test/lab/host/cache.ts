// Images and kernels are built once per recipe, in the checkout's .lab (or PODWIRE_LAB_CACHE), and appear
// there whole or not at all: a build that is killed leaves a directory that the next one removes.
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { isRunning, ownIdentity, type ProcessIdentity } from "../../../src/linux/process.ts";
import { requireSpace } from "./requirements.ts";

const chosen = process.env["PODWIRE_LAB_CACHE"];

/** All in it is the lab's: what is not known there is removed. */
export const cacheDirectory =
  chosen === undefined
    ? path.join(import.meta.dirname, "../../../.lab")
    : path.join(path.resolve(chosen), "podwire-lab");

export interface Product {
  /** Of [a-z0-9.-]; older products of the same name are removed. */
  readonly name: string;
  /** Whatever decides about the content, as JSON; a change of it means a new build. */
  readonly recipe: unknown;
  readonly mebibytes: number;
  /** Fills an empty directory. */
  build(directory: string): Promise<void>;
}

/** Directory of the product, which is built unless it is there. */
export async function obtain({ name, recipe, mebibytes, build }: Product): Promise<string> {
  const hash = createHash("sha256").update(JSON.stringify(recipe)).digest("hex").slice(0, 12);
  const directory = path.join(cacheDirectory, `${name}-${hash}`);
  if (fs.existsSync(directory)) return directory;
  fs.mkdirSync(cacheDirectory, { recursive: true });
  removeAbandonedBuilds();
  requireSpace(cacheDirectory, mebibytes, name);
  const work = startBuild(name);
  try {
    await build(work);
    fs.rmSync(path.join(work, ownerFile));
    publish(work, directory);
  } finally {
    fs.rmSync(work, { recursive: true, force: true });
  }
  removeOlder(name, directory);
  return directory;
}

const buildPrefix = ".building-";
const ownerFile = ".owner";

function startBuild(name: string): string {
  const work = fs.mkdtempSync(path.join(cacheDirectory, `${buildPrefix}${name}-`));
  fs.writeFileSync(path.join(work, ownerFile), JSON.stringify(ownIdentity()));
  // A root file system must be readable by its own users.
  fs.chmodSync(work, 0o755);
  return work;
}

/** Somebody else may have been faster with the same recipe. */
function publish(work: string, directory: string): void {
  try {
    fs.renameSync(work, directory);
  } catch (error) {
    if (!fs.existsSync(directory)) throw error;
  }
}

/** Builds whose process is gone. */
export function removeAbandonedBuilds(): void {
  if (!fs.existsSync(cacheDirectory)) return;
  for (const entry of fs.readdirSync(cacheDirectory)) {
    const directory = path.join(cacheDirectory, entry);
    if (entry.startsWith(buildPrefix) && !isOwned(directory)) {
      fs.rmSync(directory, { recursive: true, force: true });
    }
  }
}

function isOwned(directory: string): boolean {
  try {
    const owner: ProcessIdentity = JSON.parse(fs.readFileSync(path.join(directory, ownerFile), "utf8"));
    return isRunning(owner) !== false;
  } catch {
    // Without an owner's name it is either ending or about to get one: the age tells.
    const age = Date.now() - (fs.statSync(directory, { throwIfNoEntry: false })?.mtimeMs ?? 0);
    return age < 10_000;
  }
}

/** Those of the last day may be in use, by a guest or by another state of the checkout. */
function removeOlder(name: string, current: string): void {
  for (const entry of fs.readdirSync(cacheDirectory)) {
    const isSame = entry.startsWith(`${name}-`) && /^[0-9a-f]{12}$/.test(entry.slice(name.length + 1));
    if (!isSame || entry === path.basename(current)) continue;
    const product = path.join(cacheDirectory, entry);
    if (Date.now() - fs.statSync(product).mtimeMs > day) fs.rmSync(product, { recursive: true, force: true });
  }
}

const day = 24 * 3600 * 1000;
