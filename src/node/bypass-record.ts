// What became of the bypass module last, in /run: by it an ADD sees in one look at the module and one read that nothing is to be
// done. It is a hint: what the module is set to is asked of the module.
import fs from "node:fs";
import path from "node:path";
import { stateDirectory } from "../attachment/record.ts";
import type { NetworkConfig } from "../config/network.ts";
import { bypassModule, moduleIdentity } from "../kernel-module/module.ts";
import { makeDirectory, replaceFile, runDirectory } from "../linux/files.ts";
import type { OverlayPart } from "./bypass-plan.ts";
import { type BypassWish, wishOf } from "./bypass-wish.ts";
import { keyOf } from "./stamp.ts";

const file = path.join(runDirectory, "bypass.json");
/** Prefixes that people excluded by hand. No network has a name like it. */
const exclusionsFile = `${stateDirectory}/.bypass-excluded.json`;

export interface WishingNetwork {
  /** All that its wish follows from. */
  readonly key: string;
  readonly wish: BypassWish;
  /** In machineSeconds: when it was asked for last. */
  readonly askedAt: number;
}

export interface BypassRecord {
  /** moduleIdentity at that time. */
  readonly module: string;
  readonly networks: readonly WishingNetwork[];
  readonly overlay: OverlayPart;
  /** What the module had after podwire set it; another one: somebody else set it since. */
  readonly generation?: number;
  /** For `podwire apply --watch` to renew, in seconds. */
  readonly lease: number;
  /** Why nothing is bypassed; or, if it was forced, in spite of what. */
  readonly obstacles: readonly string[];
  /** Why only pods are bypassed, and no tunnels. */
  readonly tunnelObstacles?: readonly string[];
  /** Why the module is not as wished, whatever the rules are: it cannot be loaded, or refuses; or why they could not be judged. */
  readonly fault?: string;
  /** When podwire looked at the rules last, or tried to, in machineSeconds. */
  readonly judgedAt?: number;
  /** People set it since, by `podwire bypass set` or `off`. */
  readonly byHand?: "set" | "forced" | "off";
}

export function readBypassRecord(): BypassRecord | undefined {
  try {
    return JSON.parse(fs.readFileSync(file, "utf8")) as BypassRecord;
  } catch {
    return undefined;
  }
}

export function isRecorded(network: string): boolean {
  return readBypassRecord()?.networks.some(({ wish }) => wish.network === network) === true;
}

export function writeBypassRecord(record: BypassRecord): void {
  makeDirectory(runDirectory, 0o700);
  replaceFile(file, JSON.stringify(record));
}

export function removeBypassRecord(): void {
  fs.rmSync(file, { force: true });
}

export function wishingNetwork(network: NetworkConfig): WishingNetwork | undefined {
  const wish = wishOf(network);
  return wish && { key: bypassKey(network), wish, askedAt: machineSeconds() };
}

/** The record, if nothing has changed since that can be seen cheaply. */
export function freshBypassRecord(network: NetworkConfig, module: string): BypassRecord | undefined {
  const record = readBypassRecord();
  const own = record?.networks.find(({ wish }) => wish.network === network.name);
  return record?.module === module && own?.key === bypassKey(network) ? record : undefined;
}

/**
 * Rules may come at any time: what was found out of them holds for so many seconds, and what failed is tried again after them.
 * `podwire apply --watch` looks more often, so that beside it no ADD has to.
 */
const judgementHolds = 60;

/** Whether an ADD has nothing to do. */
export function isBypassSettled(network: NetworkConfig, module: string): boolean {
  const record = freshBypassRecord(network, module);
  return record !== undefined && isJudged(record, judgementHolds);
}

/** Whether it was within so many seconds. What people set holds without: they were told of the rules. */
export function isJudged(
  { byHand, judgedAt }: BypassRecord,
  seconds: number,
  now = machineSeconds(),
): boolean {
  if (byHand !== undefined) return true;
  return judgedAt !== undefined && judgedAt <= now && now - judgedAt < seconds;
}

/** Whether it is known that what is bypassed may be. */
export function deservesLease(record: BypassRecord, now = machineSeconds()): boolean {
  return record.fault === undefined && isJudged(record, judgementHolds, now);
}

/** Since the machine was started. Nobody sets this clock. */
export function machineSeconds(): number {
  return Number(process.hrtime.bigint() / 1_000_000_000n);
}

function bypassKey(network: NetworkConfig): string {
  return JSON.stringify([keyOf(network), network.bypass, network.ipMasq]);
}

/** "" where the module is not loaded. */
export function presentModule(): string {
  return moduleIdentity(bypassModule) ?? "";
}

export function readExclusions(): string[] {
  try {
    return JSON.parse(fs.readFileSync(exclusionsFile, "utf8")) as string[];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

/** Those, or what is to be instead, and what configurations exclude: the `declared` ones, and those of pods' networks. */
export function allExclusions(
  declared: readonly string[],
  byHand: readonly string[] = readExclusions(),
): string[] {
  const configured = readBypassRecord()?.networks.flatMap(({ wish }) => wish.excluded) ?? [];
  return [...new Set([...byHand, ...declared, ...configured])];
}

/** They outlast reboots: what is excluded for nothing is only slower. */
export function writeExclusions(prefixes: readonly string[]): void {
  makeDirectory(stateDirectory, 0o700);
  replaceFile(exclusionsFile, JSON.stringify(prefixes));
}
