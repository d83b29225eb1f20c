// What compiles modules for one of the lab's kernels: the headers of exactly that kernel's package with the compiler
// that built it, as a tree of its own suite. The host's compiler is no choice: a kernel's tools need its suite's glibc.
import fs from "node:fs";
import path from "node:path";
import { openSuite, withAdvice } from "../host/apt.ts";
import { obtain } from "../host/cache.ts";
import { run } from "../host/run.ts";
import { kernel } from "../image/kernel.ts";
import { type KernelVersion, kernelSuites, userlandSuite } from "../image/recipe.ts";
import { acquireOptions, rootImage } from "../image/root.ts";

export interface Toolchain {
  /** A root file system to change into. */
  readonly tree: string;
  /** What `uname -r` says of the kernel. */
  readonly release: string;
}

const formatVersion = 1;

export async function toolchain(version: KernelVersion): Promise<Toolchain> {
  const { release, packageVersion } = await kernel(version, (await rootImage()).busybox);
  const suite = kernelSuites[version];
  // The headers bring their compiler along.
  const packages = [`linux-headers-${release}=${packageVersion}`, "make", "sparse"];
  return { tree: await treeWith(`toolchain-${version}`, suite, packages), release };
}

/** For programs that run in guests, and for tests of a module's code outside of a kernel, with sanitizers. */
export async function userlandTree(): Promise<string> {
  const packages = ["clang-14", "libclang-rt-14-dev", "libc6-dev"];
  return treeWith("toolchain-userland", userlandSuite, packages);
}

async function treeWith(name: string, suite: string, packages: string[]): Promise<string> {
  const directory = await obtain({
    name,
    recipe: { formatVersion, suite, packages },
    mebibytes: 1500,
    build: (work) => buildTree(name, suite, packages, work),
  });
  return path.join(directory, "tree");
}

async function buildTree(name: string, suite: string, packages: string[], directory: string): Promise<void> {
  console.error(`lab: unpacking ${name} from Debian packages (one to three minutes)`);
  const apt = path.join(directory, "apt");
  const { source, configuration } = await openSuite(suite, apt);
  const temporary = path.join(directory, "tmp");
  fs.mkdirSync(temporary);
  const mmdebstrap = [
    ...["mmdebstrap", "--mode=root", "--variant=essential"],
    ...acquireOptions(configuration),
    `--include=${packages.join(",")}`,
    ...[suite, path.join(directory, "tree"), source],
  ];
  const options = { env: { TMPDIR: temporary }, contained: true, timeoutSeconds: 1200 };
  await withAdvice(`${source}" with "${packages[0]}`, () => run(mmdebstrap, options));
  for (const done of [apt, temporary]) fs.rmSync(done, { recursive: true });
}

/** Runs a shell script as root of the tree, where `directory` is /mnt. Returns what it prints. */
export function runInside(
  tree: string,
  directory: string,
  script: string,
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const enter = 'mount -t proc proc "$0/proc" && mount --bind "$1" "$0/mnt" && exec chroot "$0" sh -c "$2"';
  return run(["sh", "-c", enter, tree, directory, `exec 2>&1; ${script}`], {
    contained: true,
    timeoutSeconds: 900,
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C", ...env },
  });
}
