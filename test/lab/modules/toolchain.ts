// What compiles modules for one of the lab's kernels: the headers of exactly that kernel's package with the compiler
// that built it, as a tree of its own suite. The host's compiler is no choice: a kernel's tools need its suite's glibc.
import { builtKernel } from "../image/built-kernel.ts";
import { kernel } from "../image/kernel.ts";
import { debugKernel, type KernelVersion, kernelSuites, userlandSuite } from "../image/recipe.ts";
import { rootImage } from "../image/root.ts";
import { treeWith } from "./tree.ts";

export interface Toolchain {
  /** A root file system to change into. */
  readonly tree: string;
  /** What `uname -r` says of the kernel. */
  readonly release: string;
}

export async function toolchain(version: KernelVersion): Promise<Toolchain> {
  const { release, packageVersion } = await kernel(version, (await rootImage()).busybox);
  if (version === debugKernel) return { tree: (await builtKernel()).tree, release };
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
