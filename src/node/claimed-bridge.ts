// The bridge of Open vSwitch that the overlay is on, in a file that is there before anything of it is on the bridge: by it the
// last pod's removal leaves the bridge. What is stale is found in Open vSwitch.
import fs from "node:fs";
import path from "node:path";
import { makeDirectory, replaceFile, runDirectory } from "../linux/files.ts";
import { type BridgeName, isSameBridge } from "../linux/ovs/ovs.ts";

const file = path.join(runDirectory, "overlay-bridge");

export interface ClaimedBridge extends BridgeName {
  /** Others made it. */
  readonly foreign?: true;
}

export function claimedBridge(): ClaimedBridge | undefined {
  try {
    return JSON.parse(fs.readFileSync(file, "utf8")) as ClaimedBridge;
  } catch {
    return undefined;
  }
}

export function claimBridge({ database, bridge, foreign }: ClaimedBridge): void {
  makeDirectory(runDirectory, 0o700);
  replaceFile(file, JSON.stringify({ database, bridge, foreign }));
}

export function unclaimBridge(): void {
  fs.rmSync(file, { force: true });
}

export function isClaimed(at: BridgeName): boolean {
  const claimed = claimedBridge();
  return claimed !== undefined && isSameBridge(claimed, at);
}
