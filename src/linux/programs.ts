// Finds the programs that podwire runs. The runtime's PATH counts; without one, the usual directories.
import fs from "node:fs";
import { CniError, ErrorCode } from "../cni/error.ts";

const packages = {
  ip: "iproute2",
  nsenter: "util-linux",
  tee: "coreutils",
  cat: "coreutils",
  nft: "nftables",
  "ovs-vsctl": "openvswitch-switch",
  "ovs-ofctl": "openvswitch-switch",
  "ovs-appctl": "openvswitch-switch",
  flock: "util-linux",
  setpriv: "util-linux",
};

export type ProgramName = keyof typeof packages;

const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Absolute path of a program, or undefined. */
export function findProgram(name: string, path: string | undefined): string | undefined {
  const directories = (path || defaultPath).split(":").filter((directory) => directory.startsWith("/"));
  return directories.map((directory) => `${directory}/${name}`).find(isExecutable);
}

export function requireProgram(name: ProgramName, path: string | undefined): string {
  const found = findProgram(name, path);
  if (found !== undefined) return found;
  throw new CniError(
    ErrorCode.programMissing,
    "a needed program is missing",
    `${name} is not in PATH (${path || defaultPath}); install the package ${packages[name]}`,
  );
}

/** Whether `file` is a regular file that may be executed. */
export function isExecutable(file: string): boolean {
  try {
    fs.accessSync(file, fs.constants.X_OK);
    return fs.statSync(file).isFile();
  } catch {
    return false;
  }
}
