// A module's sources. The executable carries them: they always fit the podwire that controls the module, and one file is all
// that has to come to a node. Else they may be where DKMS has them.
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { podwireVersion } from "../version.ts";
import { carriedFolder } from "./carried.ts";
import { cannotBuild } from "./fault.ts";
import type { KernelModule } from "./module.ts";

/** Contents by path. */
export type Sources = ReadonlyMap<string, Buffer>;

export function sourcesOf(module: KernelModule): Sources {
  const own = carriedFolder(module.folder);
  return own.size > 0 ? own : installedSources(module);
}

/** Where DKMS looks for them. */
export function dkmsDirectory({ packageName }: KernelModule): string {
  return `/usr/src/${packageName}-${podwireVersion}`;
}

/** The same for the same files. */
export function checksum(sources: Sources): string {
  const sum = createHash("sha256");
  for (const [file, content] of sources) sum.update(`${file}\0${content.length}\0`).update(content);
  return sum.digest("hex").slice(0, 12);
}

export function unpack(sources: Sources, directory: string): void {
  for (const [file, content] of sources) {
    const to = path.join(directory, file);
    fs.mkdirSync(path.dirname(to), { recursive: true, mode: 0o755 });
    fs.writeFileSync(to, content, { mode: 0o644 });
  }
}

function installedSources(module: KernelModule): Sources {
  const directory = dkmsDirectory(module);
  let entries: fs.Dirent[];
  try {
    entries = fs.readdirSync(directory, { recursive: true, withFileTypes: true });
  } catch {
    const why = `this podwire carries no sources (the executable does), and there are none in ${directory}`;
    throw cannotBuild(module, why);
  }
  const files = entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(directory, path.join(entry.parentPath, entry.name)))
    .sort();
  return new Map(files.map((file) => [file, fs.readFileSync(path.join(directory, file))]));
}
