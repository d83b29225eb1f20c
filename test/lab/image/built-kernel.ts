// The kernel that looks for its own faults (locks, sleeping where one must not, memory that is read after its end,
// leaks): no Debian has one, so it is compiled from Debian's source. Its tree is a root file system like those that
// modules are compiled in, with the kernel installed as its package would be, and what its modules need to be compiled.
import fs from "node:fs";
import path from "node:path";
import { download, openSuite } from "../host/apt.ts";
import { obtain } from "../host/cache.ts";
import { run } from "../host/run.ts";
import { buildTree, runInside } from "../modules/tree.ts";
import { debugKernel } from "./recipe.ts";

export interface BuiltKernel {
  readonly tree: string;
  /** Of Debian's source. */
  readonly packageVersion: string;
}

/** Its source is 6.1. */
const suiteName = "bookworm";
const metapackage = "linux-source";
const packages = "gcc libc6-dev make flex bison bc libelf-dev perl kmod xz-utils sparse".split(" ");
const script = fs.readFileSync(path.join(import.meta.dirname, "built/compile"), "utf8");
const config = fs.readFileSync(path.join(import.meta.dirname, "built/config"), "utf8");

export async function builtKernel(): Promise<BuiltKernel> {
  const name = `toolchain-${debugKernel}`;
  const directory = await obtain({
    name,
    recipe: { suiteName, metapackage, packages, script, config },
    mebibytes: 5000,
    build: async (work) => {
      await buildTree(name, suiteName, packages, work);
      await compileKernel(work);
    },
  });
  const packageVersion = fs.readFileSync(path.join(directory, "package-version"), "utf8");
  return { tree: path.join(directory, "tree"), packageVersion };
}

async function compileKernel(directory: string): Promise<void> {
  console.error(`lab: compiling kernel ${debugKernel} (half an hour or more)`);
  const work = path.join(directory, "work");
  const downloads = path.join(work, "packages");
  fs.mkdirSync(downloads, { recursive: true });
  const suite = await openSuite(suiteName, path.join(work, "apt"));
  const [file = ""] = await download(suite, metapackage, /^linux-source-[0-9]/, downloads);
  const packageVersion = await run(["dpkg-deb", "--field", file, "Version"]);
  const unpack = `dpkg-deb --fsys-tarfile "$0" | tar -xO --wildcards './usr/src/linux-source-*.tar.xz' > "$1/source.tar.xz"`;
  await run(["sh", "-e", "-c", unpack, file, work]);
  fs.writeFileSync(path.join(work, "config"), config);
  await runInside(path.join(directory, "tree"), work, script, { timeoutSeconds: 4 * 3600 });
  fs.writeFileSync(path.join(directory, "package-version"), packageVersion);
  fs.rmSync(work, { recursive: true });
}
