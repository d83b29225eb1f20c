// What the host must have before anything is begun, each with the word that helps.
import fs from "node:fs";
import { findProgram } from "../../../src/linux/programs.ts";
import { LabError } from "../failure.ts";

/** Programs and the Debian packages that have them. */
const programs: Readonly<Record<string, string>> = {
  "apt-get": "apt",
  cpio: "cpio",
  depmod: "kmod",
  "dpkg-deb": "dpkg",
  ip: "iproute2",
  mke2fs: "e2fsprogs",
  mmdebstrap: "mmdebstrap",
  nsenter: "util-linux",
  "qemu-img": "qemu-utils",
  "qemu-system-x86_64": "qemu-system-x86",
  setpriv: "util-linux",
  ssh: "openssh-client",
  "ssh-keygen": "openssh-client",
  unshare: "util-linux",
  xz: "xz-utils",
};

/** Where Debian keeps the public keys of its archive. */
export const archiveKeyring = "/usr/share/keyrings/debian-archive-keyring.gpg";

/** Every reason why this machine cannot run a lab; none if it can. */
export function obstacles(path = process.env["PATH"]): string[] {
  const missing = Object.entries(programs).filter(([program]) => findProgram(program, path) === undefined);
  const reasons = missing.map(([program, name]) => `no ${program} (Debian package ${name})`);
  if (process.arch !== "x64") reasons.push(`this is ${process.arch}; the lab's guests are x86_64 only`);
  if (process.getuid?.() !== 0) reasons.push("not root, which namespaces and taps need");
  if (!fs.existsSync("/dev/net/tun")) reasons.push("no /dev/net/tun, which the guests' taps need");
  if (!fs.existsSync(archiveKeyring)) reasons.push(`no ${archiveKeyring} (package debian-archive-keyring)`);
  return reasons;
}

export function requireLabHost(): void {
  const reasons = obstacles();
  if (reasons.length > 0) throw new LabError(`this machine cannot run the lab: ${reasons.join("; ")}`);
}

/** Throws unless the file system of `directory` has `mebibytes` to spare for `purpose`. */
export function requireSpace(directory: string, mebibytes: number, purpose: string): void {
  const { bavail, bsize } = fs.statfsSync(directory);
  const free = Math.floor((bavail * bsize) / 1024 / 1024);
  if (free >= mebibytes) return;
  throw new LabError(
    `not enough disk space in ${directory} for ${purpose}: ${mebibytes} MiB are needed, ${free} MiB are free; ` +
      "make room, or name another directory by PODWIRE_LAB_CACHE",
  );
}

/** Throws unless the host has the memory for all guests at once. */
export function requireMemory(nodes: number, mebibytesEach: number): void {
  const available = /^MemAvailable: +([0-9]+) kB$/m.exec(fs.readFileSync("/proc/meminfo", "utf8"))?.[1];
  const free = Math.floor(Number(available) / 1024);
  const needed = nodes * mebibytesEach;
  if (free >= needed) return;
  throw new LabError(
    `not enough memory for ${nodes} nodes of ${mebibytesEach} MiB: ${free} MiB are available; ask for less`,
  );
}
