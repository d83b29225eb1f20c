// What the executable carries for kernel modules: the small static programs that speak netlink for podwire, and the modules'
// sources, so that one file is enough to build a module that fits it. The plain bundle, or a podwire that was built without a
// C compiler, carries no programs, and takes them from PATH.
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { runDirectory } from "../linux/files.ts";

/** Gone with each boot, and root's only. */
const directory = path.join(runDirectory, "bin");

/** The carried program's absolute path, or undefined if none of this name is carried. */
export function carriedProgram(name: string): string | undefined {
  const [content] = carried((key) => key === name).values();
  if (content === undefined) return undefined;
  // Another version of podwire may be running its own.
  const sum = createHash("sha256").update(content).digest("hex").slice(0, 12);
  const file = path.join(directory, `${name}-${sum}`);
  if (!fs.existsSync(file)) {
    fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
    const fresh = `${file}.${process.pid}`;
    fs.writeFileSync(fresh, content, { mode: 0o700 });
    fs.renameSync(fresh, file);
  }
  return file;
}

/** Contents of the carried files of a folder, by their paths in it; empty if there are none. */
export function carriedFolder(folder: string): Map<string, Buffer> {
  const found = carried((key) => key.startsWith(`${folder}/`));
  return new Map([...found].map(([key, content]) => [key.slice(folder.length + 1), content]));
}

function carried(isWanted: (key: string) => boolean): Map<string, Buffer> {
  const sea = process.getBuiltinModule("node:sea");
  if (!sea?.isSea()) return new Map();
  const keys = sea.getAssetKeys().filter(isWanted).sort();
  return new Map(keys.map((key) => [key, Buffer.from(sea.getRawAsset(key) as ArrayBuffer)]));
}
