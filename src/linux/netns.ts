// Network namespaces by path. A namespace is opened once and then only used by descriptor: its path
// never reaches a command line, and what was checked is what is wired.
import fs from "node:fs";
import { CniError, ErrorCode } from "../cni/error.ts";

/** NSFS_MAGIC, include/uapi/linux/magic.h */
const nsfsMagic = 0x6e736673;

export interface NetnsIdentity {
  readonly device: number;
  readonly inode: number;
}

export interface Netns {
  readonly path: string;
  readonly descriptor: number;
  readonly identity: NetnsIdentity;
}

/** Opens the netns at `path`. Throws code 8 if there is none, or if it is the caller's own. */
export function openNetns(path: string): Netns {
  if (!path.startsWith("/")) throw invalid(path, "expected an absolute path");
  let descriptor: number;
  try {
    // A FIFO or a device would block or act when opened, so the type comes first.
    if (!isNsfs(path)) throw invalid(path, "it is not a network namespace");
    descriptor = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
  } catch (error) {
    if (error instanceof CniError) throw error;
    throw invalid(path, `it cannot be opened (${(error as NodeJS.ErrnoException).code ?? error})`);
  }
  const identity = identityOf(fs.fstatSync(descriptor));
  if (sameNetns(identity, identityOf(fs.statSync("/proc/self/ns/net")))) {
    fs.closeSync(descriptor);
    throw invalid(path, "it is the host's own network namespace; expected the pod's");
  }
  return { path, descriptor, identity };
}

export function closeNetns(netns: Netns): void {
  fs.closeSync(netns.descriptor);
}

/**
 * Whether an open namespace is one of the network kind. The file system cannot tell and Node has no
 * ioctl(NS_GET_NSTYPE), so this looks through the mounts: only for explaining a failure.
 */
export function isNetwork({ descriptor }: Netns): boolean {
  const name = fs.readlinkSync(`/proc/self/fd/${descriptor}`);
  if (/^[a-z_]+:\[/.test(name)) return name.startsWith("net:");
  const mounts = fs.readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  const roots = mounts.map((line) => line.split(" ")).filter((fields) => fields[4] === name);
  return roots.at(-1)?.[3]?.startsWith("net:") ?? true;
}

export function notNetwork({ path }: Netns): CniError {
  return invalid(path, "it is a namespace, but not a network namespace");
}

/** Whether the netns that was at `path` is still there: gone, replaced, or the same. */
export function netnsStillAt(path: string, identity: NetnsIdentity): boolean {
  try {
    return isNsfs(path) && sameNetns(identity, identityOf(fs.statSync(path)));
  } catch {
    return false;
  }
}

function isNsfs(path: string): boolean {
  return fs.statfsSync(path).type === nsfsMagic;
}

function identityOf(stat: fs.Stats): NetnsIdentity {
  return { device: stat.dev, inode: stat.ino };
}

function sameNetns(a: NetnsIdentity, b: NetnsIdentity): boolean {
  return a.device === b.device && a.inode === b.inode;
}

function invalid(path: string, why: string): CniError {
  return new CniError(
    ErrorCode.invalidNetns,
    "invalid network namespace",
    `CNI_NETNS ${JSON.stringify(path)}: ${why}`,
  );
}
