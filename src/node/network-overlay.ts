// The overlay of one network's configuration, for ADD: applied if it is not yet. Other networks of the node that use the same
// overlay keep theirs.
import { isInUse } from "../attachment/record.ts";
import { type CniError, ErrorCode, toCniError } from "../cni/error.ts";
import type { NetworkConfig } from "../config/network.ts";
import { firstFew } from "../few.ts";
import type { Kernel } from "../linux/kernel.ts";
import { withLock } from "../linux/lock.ts";
import type { Log } from "../log.ts";
import { overlayUnusable } from "../plan/fault.ts";
import { bringAbout } from "./bring-about.ts";
import {
  bridgeSettings,
  type DeclaredOverlay,
  describeOverlay,
  differentBridges,
  differentFromApplied,
  isOnSameBridge,
  isOverlayOfNode,
  isSameTunnel,
  type OvsConfig,
  ownPrefixes,
  wants,
} from "./declared.ts";
import { type Desired, desiredOverlay, prefixesOf, stampOf, warningsOf } from "./overlay.ts";
import {
  distrustStamp,
  freshStamp,
  isFresh,
  keyOf,
  lockFile,
  makeStampDirectory,
  readStamp,
  removeStamp,
  type Stamp,
  stampedNetworks,
  writeStamp,
} from "./stamp.ts";
import { takeTurn } from "./turn.ts";

/**
 * What somebody else's route is in the way of keeps pods from being added only where the overlay was never there before: who sets a
 * node up has to hear of it, and one whose peers come and go has to start pods.
 */
export async function applyNetwork(network: NetworkConfig, kernel: Kernel, log: Log): Promise<Stamp> {
  makeStampDirectory();
  return withLock(lockFile, kernel, async () => {
    // Many pods' ADDs begin at once after a reboot, and the first of them did it.
    const fresh = freshStamp(network);
    if (fresh !== undefined) return fresh;
    const key = keyOf(network);
    const before = readStamp(network.name);
    const declared = declarationFor(network);
    const { config } = declared;
    let desired: Desired;
    try {
      desired = await desiredOverlay(declared, kernel);
    } catch (error) {
      const fault = toCniError(error);
      if (fault.code !== ErrorCode.invalidConfig) throw fault;
      return keptStamp(network, before, fault, log);
    }
    const isStanding = before !== undefined && isFresh(before, before.key);
    // First: nobody may go by what is about to change, also if that fails or podwire is killed.
    distrustStamp(network.name);
    distrustOthers(network);
    takeTurn();
    const brought = await bringAbout(desired, kernel).catch((error: unknown) => {
      // What there was is back, and by another key the next ADD tries again.
      if (!isStanding || before.key === key) throw error;
      return keptStamp(network, before, toCniError(error), log);
    });
    if ("key" in brought) {
      writeStamp(network.name, brought);
      return brought;
    }
    const { done, obstacles, strays } = brought;
    if (obstacles.length > 0 && !(before !== undefined && isSameTunnel(before.overlay, config))) {
      throw overlayUnusable(firstFew(obstacles).join("; "));
    }
    for (const warning of firstFew([...warningsOf(desired, strays), ...obstacles])) log.warn(warning);
    log.info(`overlay ${config.type} applied, changes: ${done.length}`);
    const named = { config, own: ownPrefixes(network), networks: [network.name], ...bridgeSettings(network) };
    const stamp = { ...stampOf(named, desired, obstacles), key };
    writeStamp(network.name, stamp);
    return stamp;
  });
}

/** What the kernel has to have for it. Throws as `podwire apply` would. */
export function desiredForNetwork(network: NetworkConfig, kernel: Kernel): Promise<Desired> {
  return desiredOverlay(declarationFor(network), kernel);
}

function declarationFor(network: NetworkConfig): DeclaredOverlay {
  const { overlay: config } = network;
  if (!wants(config)) throw new Error("a network without an overlay");
  const others = othersOf(network);
  const own = [...ownPrefixes(network), ...others.flatMap(prefixesOf)];
  return { config, own, networks: [network.name], ...bridgeAmong(network, others) };
}

/** Of this network or of another one that has pods on a bridge. Throws code 7 if they have different ones. */
function bridgeAmong(network: NetworkConfig, others: readonly OtherStamp[]): { readonly ovs?: OvsConfig } {
  const own = bridgeSettings(network);
  const other = others.find(({ ovs }) => ovs !== undefined);
  if (other?.ovs === undefined) return own;
  const isShared =
    own.ovs === undefined || network.overlay?.type === "host-gw" || isOnSameBridge(own.ovs, other.ovs);
  if (!isShared) throw differentBridges(network.name, other.network);
  return { ovs: other.ovs };
}

/** A file of peers that cannot be used now must not keep pods from being added: what was applied before stays. */
function keptStamp(network: NetworkConfig, stamp: Stamp | undefined, fault: CniError, log: Log): Stamp {
  if (network.overlay?.peersFile === undefined || !isSameOverlay(stamp, network)) throw fault;
  log.warn(`the overlay stays as it was applied last: ${fault.details}`);
  return stamp;
}

function isSameOverlay(stamp: Stamp | undefined, { overlay }: NetworkConfig): stamp is Stamp {
  return stamp?.overlay === describeOverlay(overlay);
}

type OtherStamp = Stamp & { readonly network: string };

/** Of networks with the same overlay. Throws code 7 if pods of another network need another one. */
function othersOf(network: NetworkConfig): OtherStamp[] {
  return otherStamps(network).filter((stamp) => {
    const isShared = sharesOverlay(stamp, network);
    if (!isShared && isInUse(stamp.network)) throw differentFromApplied(network.name, stamp.network);
    return isShared;
  });
}

/** An edit of node.json is one of all networks that go by it, whoever has a pod added first. */
function sharesOverlay(stamp: Stamp, { overlay }: NetworkConfig): boolean {
  if (stamp.overlay === describeOverlay(overlay)) return true;
  return stamp.isOfNode && isSameTunnel(stamp.overlay, overlay) && isOverlayOfNode(overlay);
}

/** Of what changes here, as the peers of all, an ADD of another network makes sure by its own configuration. */
function distrustOthers(network: NetworkConfig): void {
  for (const stamp of otherStamps(network)) {
    if (stamp.overlay === describeOverlay(network.overlay)) continue;
    if (sharesOverlay(stamp, network)) distrustStamp(stamp.network);
    else removeStamp(stamp.network);
  }
}

function otherStamps(network: NetworkConfig): OtherStamp[] {
  return stampedNetworks()
    .filter((name) => name !== network.name)
    .flatMap((name) => {
      const stamp = readStamp(name);
      return stamp === undefined ? [] : [{ ...stamp, network: name }];
    });
}
