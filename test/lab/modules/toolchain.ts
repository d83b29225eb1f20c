// What compiles modules for one of the lab's kernels: the headers of exactly that kernel's package with the compiler
// that built it, as a tree of its own suite. The host's compiler is no choice: a kernel's tools need its suite's glibc.
import { builtKernel } from "../image/built-kernel.ts";
import { kernel } from "../image/kernel.ts";
import {
  type DebianKernel,
  debugKernel,
  type KernelVersion,
  kernelSuites,
  userlandSuite,
} from "../image/recipe.ts";
import { rootImage } from "../image/root.ts";
import { treeWith } from "./tree.ts";

export interface Toolchain {
  /** A root file system to change into. */
  readonly tree: string;
  /** What `uname -r` says of the kernel. */
  readonly release: string;
}

export async function toolchain(version: KernelVersion): Promise<Toolchain> {
  if (version !== debugKernel) return toolchainWith("toolchain", version, ["sparse"]);
  const { release } = await kernel(version, (await rootImage()).busybox);
  return { tree: (await builtKernel()).tree, release };
}

/** The same with DKMS. */
export async function dkmsToolchain(version: DebianKernel): Promise<Toolchain> {
  return toolchainWith("dkms", version, ["dkms"]);
}

async function toolchainWith(
  name: string,
  version: DebianKernel,
  more: readonly string[],
): Promise<Toolchain> {
  const { release, packageVersion } = await kernel(version, (await rootImage()).busybox);
  // The headers bring their compiler along.
  const packages = [`linux-headers-${release}=${packageVersion}`, "make", ...more];
  return { tree: await treeWith(`${name}-${version}`, kernelSuites[version], packages), release };
}

/** For programs that run in guests, and for tests of a module's code outside of a kernel, with sanitizers. */
export async function userlandTree(): Promise<string> {
  const packages = ["clang-14", "libclang-rt-14-dev", "libc6-dev"];
  return treeWith("toolchain-userland", userlandSuite, packages);
}
