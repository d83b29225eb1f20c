// podwire's kernel modules, and whether one is loaded.
import fs from "node:fs";

export interface KernelModule {
  /** As the kernel knows it. */
  readonly name: string;
  /** Folder of its sources, here and in the executable. */
  readonly folder: string;
  /** Its name for DKMS. */
  readonly packageName: string;
  /** The word of the command line that it is controlled by. */
  readonly command: string;
}

export const bypassModule: KernelModule = {
  name: "podwire_bypass",
  folder: "netfilter-bypass",
  packageName: "podwire-bypass",
  command: "bypass",
};

export const sttModule: KernelModule = {
  name: "podwire_stt",
  folder: "stt-tunnel",
  packageName: "podwire-stt",
  command: "stt",
};

/** One look at a file that is not there, where the module is not. */
export function isLoaded({ name }: KernelModule): boolean {
  return readText(`/sys/module/${name}/initstate`) === "live";
}

/** Another one each time that it is loaded; undefined if it is not. One look. */
export function moduleIdentity({ name }: KernelModule): string | undefined {
  // Not its times, which are those of the kernel's last look at it: sysfs forgets and remembers (fs/kernfs/inode.c).
  const found = fs.statSync(`/sys/module/${name}`, { throwIfNoEntry: false });
  return found && `${found.ino}`;
}

/** What it says of itself; undefined if it is not loaded or says nothing. */
export function loadedVersion({ name }: KernelModule): string | undefined {
  return readText(`/sys/module/${name}/version`) || undefined;
}

/** Of the running kernel. Node's os.release() is a constant of its start, which the snapshot keeps: the machine of the build. */
export function kernelRelease(): string {
  return readText("/proc/sys/kernel/osrelease");
}

/** "" if it cannot be read. */
export function readText(file: string): string {
  try {
    return fs.readFileSync(file, "utf8").trim();
  } catch {
    return "";
  }
}
