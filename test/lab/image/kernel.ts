// A kernel to boot guests with: its image, an initramfs with what it needs to reach its disk, and its modules
// as a read-only file system. Unpacked from Debian's package, never installed.
import fs from "node:fs";
import path from "node:path";
import { download, openSuite } from "../host/apt.ts";
import { obtain } from "../host/cache.ts";
import { run } from "../host/run.ts";
import { builtKernel } from "./built-kernel.ts";
import { makeImage, sizeForTree } from "./ext4.ts";
import { buildInitramfs, initScript } from "./initramfs.ts";
import { type DebianKernel, debugKernel, type KernelVersion, kernelSuites } from "./recipe.ts";

export interface Kernel {
  readonly version: KernelVersion;
  /** What `uname -r` says. */
  readonly release: string;
  /** The version of the package that it comes from. */
  readonly packageVersion: string;
  readonly vmlinuz: string;
  readonly initramfs: string;
  readonly modules: string;
}

const metapackage = "linux-image-cloud-amd64";
/** The metapackage's parts; from 7.2 on image and modules are packages of their own. */
const parts = /^linux-(image|binary|modules)-[0-9]/;
const formatVersion = 2;

export async function kernel(version: KernelVersion, busybox: string): Promise<Kernel> {
  const { origin, fetch } = version === debugKernel ? await fromSource() : fromPackages(version);
  const directory = await obtain({
    name: `kernel-${version}`,
    recipe: { formatVersion, ...origin, initScript },
    mebibytes: 600,
    build: (work) => buildKernel(fetch, busybox, work),
  });
  return {
    version,
    release: fs.readFileSync(path.join(directory, "release"), "utf8"),
    packageVersion: fs.readFileSync(path.join(directory, "package-version"), "utf8"),
    vmlinuz: path.join(directory, "vmlinuz"),
    initramfs: path.join(directory, "initramfs"),
    modules: path.join(directory, "modules.ext4"),
  };
}

interface Fetched {
  /** A root file system with the kernel installed in it, or as much of one. It stays as it is. */
  readonly tree: string;
  readonly packageVersion: string;
}

interface Source {
  /** What decides about the content. */
  readonly origin: object;
  /** Gets the kernel, with room for it in `work`. */
  fetch(work: string): Promise<Fetched>;
}

function fromPackages(version: DebianKernel): Source {
  const suiteName = kernelSuites[version];
  return {
    origin: { suite: suiteName, metapackage, parts: parts.source },
    fetch: async (work) => {
      console.error(`lab: fetching kernel ${version} (a few seconds)`);
      const packages = path.join(work, "packages");
      fs.mkdirSync(packages, { recursive: true });
      const suite = await openSuite(suiteName, path.join(work, "apt"));
      const tree = path.join(work, "tree");
      const files = await download(suite, metapackage, parts, packages);
      for (const file of files) await run(["dpkg-deb", "-x", file, tree]);
      return { tree, packageVersion: await run(["dpkg-deb", "--field", files[0] ?? "", "Version"]) };
    },
  };
}

async function fromSource(): Promise<Source> {
  const built = await builtKernel();
  return { origin: { built: path.basename(path.dirname(built.tree)) }, fetch: async () => built };
}

async function buildKernel(fetch: Source["fetch"], busybox: string, directory: string): Promise<void> {
  const work = path.join(directory, "work");
  fs.mkdirSync(work);
  const { tree, packageVersion } = await fetch(work);
  const { release, modules, vmlinuz } = locate(tree);
  fs.copyFileSync(vmlinuz, path.join(directory, "vmlinuz"));
  // depmod looks for lib/modules under its base. Links lead to where the kernel was built.
  const base = path.join(work, "base");
  const moduleTree = path.join(base, "lib/modules");
  fs.cpSync(modules, moduleTree, {
    recursive: true,
    filter: (file) => !fs.lstatSync(file).isSymbolicLink(),
  });
  await run(["depmod", "-b", base, release]);
  await buildInitramfs(path.join(moduleTree, release), busybox, path.join(directory, "initramfs"), work);
  await makeImage(moduleTree, path.join(directory, "modules.ext4"), sizeForTree(moduleTree));
  fs.writeFileSync(path.join(directory, "release"), release);
  fs.writeFileSync(path.join(directory, "package-version"), packageVersion);
  fs.rmSync(work, { recursive: true });
}

/** Debian moved modules to /usr with 6.12, and the image to the modules with 7.2. */
function locate(tree: string): { release: string; modules: string; vmlinuz: string } {
  const existing = (candidates: readonly string[]) => {
    const found = candidates.map((name) => path.join(tree, name)).find((file) => fs.existsSync(file));
    if (found === undefined) throw new Error(`the kernel's packages have none of ${candidates.join(", ")}`);
    return found;
  };
  const modules = existing(["usr/lib/modules", "lib/modules"]);
  const release = fs.readdirSync(modules)[0] ?? "";
  const names = [`boot/vmlinuz-${release}`, `usr/lib/modules/${release}/vmlinuz`];
  return { release, vmlinuz: existing(names), modules };
}
