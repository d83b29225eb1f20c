// What was applied last for a network, in /run: by it an ADD sees in one read that its overlay needs nothing. It is a hint, not a
// record: what is stale in the kernel is found in the kernel.
import fs from "node:fs";
import path from "node:path";
import { linkMtu } from "../attachment/host-facts.ts";
import type { NetworkConfig } from "../config/network.ts";
import { makeDirectory, replaceFile, runDirectory } from "../linux/files.ts";
import { hostLinkExists } from "../linux/links.ts";
import { switchIdentity } from "../linux/ovs/identity.ts";
import type { BridgeName } from "../linux/ovs/ovs.ts";
import { bootId } from "../linux/process.ts";
import { bridgeSettings, describeOverlay, type OvsConfig } from "./declared.ts";

const directory = path.join(runDirectory, "overlay");
/** Held by whoever changes the overlay. */
export const lockFile = path.join(runDirectory, "overlay.lock");

export interface Stamp {
  /** All that the plan follows from but for the host's state. */
  readonly key: string;
  /** Whether nothing was in the way of any part, nor has changed since. */
  readonly isWhole: boolean;
  readonly overlay: string;
  /** Whether that is node.json's, which all networks without one of their own have. */
  readonly isOfNode: boolean;
  /** Prefixes of the network's own pods. */
  readonly own: readonly string[];
  readonly underlay: string;
  readonly underlayMtu: number;
  readonly device?: string;
  /** Of a network of the ovs datapath: its settings. */
  readonly ovs?: OvsConfig;
  /** What a restart of ovs-vswitchd would show. */
  readonly bridge?: BridgeName & { readonly identity?: string };
  /** For pods. */
  readonly mtu: number;
}

/** Without ranges of single pods, so that it is the same for all ADDs of a network. */
export function keyOf({ overlay, ipam, ...network }: NetworkConfig): string {
  const { ranges, subnet, rangeStart, rangeEnd } = ipam as Record<string, unknown>;
  return JSON.stringify([
    bootId(),
    fs.readlinkSync("/proc/self/ns/net"),
    describeOverlay(overlay),
    [ipam.type, ranges, subnet, rangeStart, rangeEnd],
    bridgeSettings(network),
    overlay?.peersFile === undefined ? "" : fileState(overlay.peersFile),
  ]);
}

/** A file that is replaced or written to has another one. */
export function fileState(file: string): string {
  try {
    const { dev, ino, size, mtimeMs, ctimeMs } = fs.statSync(file);
    return [dev, ino, size, mtimeMs, ctimeMs].join(" ");
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? "unreadable";
  }
}

/** What was applied if nothing that can be seen cheaply has changed since. */
export function freshStamp(network: NetworkConfig): Stamp | undefined {
  const stamp = readStamp(network.name);
  return stamp !== undefined && isFresh(stamp, keyOf(network)) ? stamp : undefined;
}

/** Whether what it says may be trusted by whoever has this key. */
export function isFresh(stamp: Stamp, key: string): boolean {
  if (!stamp.isWhole || stamp.key !== key) return false;
  const isThere = stamp.device === undefined || hostLinkExists(stamp.device);
  const isSameSwitch = stamp.bridge === undefined || switchIdentity(stamp.bridge) === stamp.bridge.identity;
  return isThere && isSameSwitch && linkMtu(stamp.underlay) === stamp.underlayMtu;
}

export function readStamp(network: string): Stamp | undefined {
  try {
    return JSON.parse(fs.readFileSync(fileOf(network), "utf8")) as Stamp;
  } catch {
    return undefined;
  }
}

export function writeStamp(network: string, stamp: Stamp): void {
  makeDirectory(directory, 0o700);
  replaceFile(fileOf(network), JSON.stringify(stamp));
}

export function makeStampDirectory(): void {
  makeDirectory(directory, 0o700);
}

/** What it says was so, and need not be so any more. */
export function distrustStamp(network: string): void {
  const stamp = readStamp(network);
  if (stamp?.isWhole) writeStamp(network, { ...stamp, isWhole: false });
}

export function stampedNetworks(): string[] {
  try {
    return fs
      .readdirSync(directory)
      .filter((name) => name.endsWith(".json") && !name.startsWith("."))
      .map((name) => name.slice(0, -".json".length));
  } catch {
    return [];
  }
}

export function removeStamp(network: string): void {
  fs.rmSync(fileOf(network), { force: true });
}

function fileOf(network: string): string {
  return path.join(directory, `${network}.json`);
}
