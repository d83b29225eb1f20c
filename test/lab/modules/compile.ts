// A kernel module, compiled for one of the lab's kernels from a directory with a Kbuild file. It is made once per
// content of the directory. /lab of the guests and the host's tests take it from there.
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { obtain } from "../host/cache.ts";
import type { KernelVersion } from "../image/recipe.ts";
import { toolchain, userlandTree } from "./toolchain.ts";
import { runInside } from "./tree.ts";

/** More than compiling: gcc's further warnings, or sparse instead of a compiler's eye. */
export const scrutinies = ["none", "warnings", "sparse"] as const;
export type Scrutiny = (typeof scrutinies)[number];

export interface Compiled {
  /** The module files (.ko). */
  readonly modules: string[];
  /** What make printed. */
  readonly log: string;
  /** Those of its lines that find fault. */
  readonly complaints: string[];
}

const arguments_: Readonly<Record<Scrutiny, string>> = {
  none: "",
  warnings: "W=1",
  sparse: 'C=2 CHECK=sparse CF="-D__CHECK_ENDIAN__"',
};
const formatVersion = 1;

/** `flags` are the compiler's, for a module that is built differently for a test. */
export async function compile(
  source: string,
  version: KernelVersion,
  scrutiny: Scrutiny = "none",
  flags = "",
): Promise<Compiled> {
  const tools = await toolchain(version);
  const { files, checksum } = contentOf(source);
  const directory = await obtain({
    name: `module-${path.basename(path.resolve(source))}-${version}-${scrutiny}`,
    recipe: { formatVersion, tree: path.basename(path.dirname(tools.tree)), checksum, flags },
    mebibytes: 50,
    build: async (work) => {
      const build = path.join(work, "build");
      copyFiles(source, files, build);
      const make = `make -C /lib/modules/${tools.release}/build M=/mnt KCFLAGS="${flags}" ${arguments_[scrutiny]} modules`;
      // Of a failure the errors are shown, not what make says of them at the end.
      const script = `${make} > /mnt/.log 2>&1 || { grep 'error:' /mnt/.log || cat /mnt/.log; exit 1; }`;
      await runInside(tools.tree, build, script);
      fs.copyFileSync(path.join(build, ".log"), path.join(work, "log"));
      for (const module of modulesIn(build)) fs.copyFileSync(module, path.join(work, path.basename(module)));
      fs.rmSync(build, { recursive: true });
    },
  });
  const log = fs.readFileSync(path.join(directory, "log"), "utf8");
  return { modules: modulesIn(directory), log, complaints: complaintsIn(log) };
}

function modulesIn(directory: string): string[] {
  return fs
    .readdirSync(directory)
    .filter((file) => file.endsWith(".ko"))
    .map((file) => path.join(directory, file));
}

function copyFiles(source: string, files: readonly string[], to: string): void {
  for (const file of files) {
    fs.mkdirSync(path.dirname(path.join(to, file)), { recursive: true });
    fs.copyFileSync(path.join(source, file), path.join(to, file));
  }
}

function contentOf(source: string): { files: string[]; checksum: string } {
  const files = sourceFiles(source);
  const content = createHash("sha256");
  for (const file of files) content.update(`${file}\0`).update(fs.readFileSync(path.join(source, file)));
  return { files, checksum: content.digest("hex") };
}

/**
 * A program from C files in a module's directory, compiled by clang with `flags` and runnable in guests if these
 * say -static. Returns the file.
 */
export async function compileProgram(source: string, file: string, flags: string): Promise<string> {
  const tree = await userlandTree();
  const { files, checksum } = contentOf(source);
  const name = path.basename(file, ".c");
  const directory = await obtain({
    name: `program-${name}`,
    recipe: { formatVersion, tree: path.basename(path.dirname(tree)), checksum, file, flags },
    mebibytes: 50,
    build: async (work) => {
      const build = path.join(work, "build");
      copyFiles(source, files, build);
      await runInside(tree, build, `cd /mnt && clang-14 ${flags} -o /mnt/.program ${file}`);
      fs.renameSync(path.join(build, ".program"), path.join(work, name));
      fs.rmSync(build, { recursive: true });
    },
  });
  return path.join(directory, name);
}

/** All but hidden files and what an earlier make left. */
function sourceFiles(source: string): string[] {
  const made = /\.(ko|o|a|mod|mod\.c)$|^(Module\.symvers|modules\.order)$/;
  return fs
    .readdirSync(source, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(source, path.join(entry.parentPath, entry.name)))
    .filter((file) => !made.test(file) && !file.split("/").some((part) => part.startsWith(".")))
    .sort();
}

/** Headers packages have no vmlinux, and so no types for BTF: make says so each time. */
function complaintsIn(log: string): string[] {
  const harmless = /Skipping BTF generation|the compiler differs from the one used to build the kernel/;
  return log.split("\n").filter((line) => /(warning|error):/i.test(line) && !harmless.test(line));
}
