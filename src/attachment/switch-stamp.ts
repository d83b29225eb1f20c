// Tells whether Open vSwitch has been restarted, which loses flows and internal ports, or its bridge has another MAC, and has
// its pods repaired then.
import fs from "node:fs";
import path from "node:path";
import { toCniError } from "../cni/error.ts";
import { makeDirectory, replaceFile, runDirectory } from "../linux/files.ts";
import type { Kernel } from "../linux/kernel.ts";
import { type BridgeName, isSameBridge, switchIdentity } from "../linux/ovs.ts";
import type { Log } from "../log.ts";
import { type Call, kernelOf } from "./call.ts";
import { bridgeOf } from "./ovs-switch.ts";
import { type AttachmentRecord, listDirectory } from "./record.ts";
import { liveAttachments, repairAttachments } from "./repair.ts";

const prefix = "switch-";

interface Stamp extends BridgeName {
  readonly identity: string;
}

/**
 * For a verb of any datapath, as the node may have had another one before: repairs the pods of all bridges that have one. Where
 * there are none that is a look into an empty directory. What is not the call's own business does not make it fail.
 */
export async function repairSwitches(call: Call): Promise<void> {
  const { config, log } = call;
  const own = config.datapath === "ovs" ? [bridgeOf(config)] : [];
  const others = restartedSwitches().filter((at) => !own.some((each) => isSameBridge(each, at)));
  for (const at of [...own, ...others]) {
    try {
      await repairAfterRestart(at, kernelOf(call), log);
    } catch (error) {
      log.warn(`pods of bridge ${at.bridge} cannot be repaired: ${toCniError(error).details}`);
    }
  }
}

/** For an ADD that made the bridge: it needs no repair if that has no other pods, of a bridge that somebody took away. */
export function rememberNewSwitch(at: BridgeName): void {
  if (podsOf(at).length === 0) rememberSwitch(at);
}

/**
 * Repairs the bridge's pods if its ovs-vswitchd is another one than the last time that somebody looked. A file says which
 * that was; without it, or if something could not be mended, the next call looks again.
 */
export async function repairAfterRestart(
  at: BridgeName,
  kernel: Kernel,
  log: Pick<Log, "warn">,
): Promise<void> {
  const seen = switchIdentity(at);
  if (seen === undefined || readStamp(fileOf(at))?.identity === seen) return;
  const records = podsOf(at);
  if (records.length === 0) return;
  const repairs = await repairAttachments(records, kernel);
  for (const { name, mended, fault } of repairs) {
    const what = fault === undefined ? `made again: ${mended.join(", ")}` : `cannot be repaired: ${fault}`;
    log.warn(
      `after a restart or change of Open vSwitch: container ${name.containerID}, ${name.ifname}: ${what}`,
    );
  }
  if (repairs.some(({ fault }) => fault !== undefined)) return;
  rememberSwitch(at, seen);
}

function podsOf(at: BridgeName): AttachmentRecord[] {
  return liveAttachments().filter(({ plan }) =>
    plan.some((object) => object.kind === "ovs-port" && isSameBridge(object, at)),
  );
}

function rememberSwitch(at: BridgeName, identity = switchIdentity(at)): void {
  if (identity === undefined) return;
  makeDirectory(runDirectory, 0o700);
  const { database, bridge } = at;
  replaceFile(fileOf(at), JSON.stringify({ database, bridge, identity } satisfies Stamp));
}

/** Bridges with pods whose ovs-vswitchd is another one than was seen last, and which it is. */
export function restartedSwitches(): Stamp[] {
  const names = listDirectory(runDirectory).filter((name) => name.startsWith(prefix));
  return names.flatMap((name) => {
    const stamp = readStamp(path.join(runDirectory, name));
    if (stamp === undefined) return [];
    const identity = switchIdentity(stamp);
    return identity === undefined || identity === stamp.identity ? [] : { ...stamp, identity };
  });
}

/** For when the bridge has no pods any more. */
export function forgetSwitch(at: BridgeName): void {
  fs.rmSync(fileOf(at), { force: true });
}

function fileOf({ bridge }: BridgeName): string {
  return path.join(runDirectory, prefix + bridge);
}

/** undefined also of one that another podwire wrote. */
function readStamp(file: string): Stamp | undefined {
  try {
    const stamp = JSON.parse(fs.readFileSync(file, "utf8")) as Stamp | null;
    return typeof stamp?.database === "string" && typeof stamp.bridge === "string" ? stamp : undefined;
  } catch {
    return undefined;
  }
}
