// The node's overlay from its declaration to the kernel: peers are read and checked, the underlay is looked up, the plan is
// computed and reconciled. All of podwire that changes an overlay comes through here, one at a time.
import { formatPrefix, type Prefix, parsePrefix, prefixCovers } from "../address/ip.ts";
import { defaultGateways, linkMtu } from "../attachment/host-facts.ts";
import { findBridge } from "../attachment/ovs/switch.ts";
import type { NetworkConfig, NodeConfig } from "../config/network.ts";
import type { Kernel } from "../linux/kernel.ts";
import { hostHasIpv6 } from "../linux/links.ts";
import { withLock } from "../linux/lock.ts";
import { switchIdentity } from "../linux/ovs/identity.ts";
import { onlyIpv4, prefixesOfIpv6 } from "../overlay/ipv4-only.ts";
import type { Peer, Underlay } from "../overlay/overlay.ts";
import { type CheckedPeers, checkPeers, type PeerEntry } from "../overlay/peers.ts";
import { overlays } from "../overlay/registry.ts";
import type { Done } from "../plan/changes.ts";
import { describeStray } from "../plan/foreign-routes.ts";
import type { BridgeName, Plan } from "../plan/plan.ts";
import { amend, type Reconciled } from "../plan/reconcile.ts";
import { advertisedLinksFor } from "./advertised.ts";
import { bringAbout } from "./bring-about.ts";
import { applyBypass, applyRecordedBypass, type BypassOutcome } from "./bypass.ts";
import { noOverlay, overlayPart } from "./bypass-plan.ts";
import { readBypassRecord, type WishingNetwork, wishingNetwork } from "./bypass-record.ts";
import {
  type DeclaredOverlay,
  declaredBy,
  describeOverlay,
  isOverlayOfNode,
  refusersAmong,
} from "./declared.ts";
import { peerEntries } from "./peers-file.ts";
import { placePeers } from "./placement.ts";
import {
  distrustStamp,
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
import { lastTurn, takeTurn } from "./turn.ts";
import { findUnderlay, hostLinks, ownAddresses } from "./underlay.ts";

/** What the kernel has to have. */
export interface Desired {
  readonly plan: Plan;
  readonly underlay: Underlay;
  readonly device?: string;
  /** Of Open vSwitch, if the tunnel is on one, and by what a restart of ovs-vswitchd shows. */
  readonly bridge?: BridgeName & { readonly identity?: string };
  readonly mtu: number;
  readonly peers: readonly Peer[];
  /** What keeps a peer from being reached, but nothing from being applied. */
  readonly warnings: readonly string[];
}

/** Changes nothing. Throws code 7 or 108, naming what is wrong. `isKnown`: see placePeers. */
export async function desiredOverlay(
  { config, own, ovs }: DeclaredOverlay,
  kernel: Kernel,
  entries: readonly PeerEntry[] = peerEntries(config),
  isKnown = false,
): Promise<Desired> {
  const overlay = overlays[config.type];
  const bridge =
    ovs === undefined || overlay.hasBridgePort !== true ? undefined : await findBridge({ ovs }, kernel);
  const links = await hostLinks(kernel);
  const all = checkPeers(entries, own, ownAddresses(links), gateways(isKnown));
  const hasIpv6 = hostHasIpv6();
  const checked = hasIpv6 ? all : onlyIpv4(all);
  const family = checked.peers[0]?.address.family;
  const underlay = findUnderlay(config, links, checked.self?.address, family);
  const { peers, unreachable } = await placePeers(checked.peers, underlay, links, kernel, isKnown);
  const host = { ipv6: hasIpv6, advertisedLinks: advertisedLinksFor(underlay.link) };
  const { plan, mtu } = overlay.plan({
    config,
    underlay,
    own: checked.own,
    peers,
    host,
    ...(bridge === undefined ? {} : { bridge }),
  });
  return {
    plan,
    underlay,
    mtu,
    peers,
    ...(overlay.device === undefined ? {} : { device: overlay.device }),
    ...(bridge === undefined ? {} : { bridge: withIdentity(bridge.at) }),
    warnings: [
      ...(hasIpv6 ? [] : leftOut(prefixesOfIpv6(all))),
      ...contradictions(checked, own),
      ...unreachable.map((peer) => `peer ${peer} cannot be reached: the host has no route to its address`),
    ],
  };
}

let lastGateways: readonly string[] | undefined;

/** The files that tell them have a line for each peer's route too. */
function gateways(isKnown: boolean): readonly string[] {
  if (!isKnown || lastGateways === undefined) lastGateways = defaultGateways();
  return lastGateways;
}

function leftOut(prefixes: number): string[] {
  return prefixes === 0 ? [] : [`this host has no IPv6: ${prefixes} prefixes of pods are left out`];
}

/** Other nodes go by the list. */
function contradictions({ self }: CheckedPeers, own: readonly Prefix[]): string[] {
  if (self === undefined) return [];
  return own
    .filter((prefix) => !self.prefixes.some((listed) => prefixCovers(listed, prefix)))
    .map(
      (prefix) =>
        `this node hands out ${formatPrefix(prefix)}, which its own entry in the list of peers (${self.node}) lacks: other ` +
        "nodes do not reach these pods; correct the entry or the network's subnet",
    );
}

function withIdentity(at: BridgeName): NonNullable<Desired["bridge"]> {
  const identity = switchIdentity(at);
  return { ...at, ...(identity === undefined ? {} : { identity }) };
}

/** Once it is applied: a bridge that was not there before has its socket now. */
function settled(desired: Desired): Desired {
  const { bridge } = desired;
  return bridge === undefined || bridge.identity !== undefined
    ? desired
    : { ...desired, bridge: withIdentity(bridge) };
}

export interface Applied {
  readonly done: readonly Done[];
  /** What of it could not be made, and why; all else is as declared. */
  readonly obstacles: readonly string[];
  readonly strays: Reconciled["strays"];
  /** What keeps packets from a peer's pods although all is as declared. */
  readonly warnings: readonly string[];
  /** undefined where no overlay is declared. */
  readonly desired?: Desired;
  /** By which it can be told whether somebody else has changed the overlay since. */
  readonly turn?: string;
  /** undefined where no network wishes it. */
  readonly bypass?: BypassOutcome;
}

export interface AppliedNode extends Applied {
  /** By what it was applied. */
  readonly prepared: Prepared;
}

/** A configuration with what it refers to, read once. */
export interface Prepared {
  /** Nothing says anything of an overlay, not even that there is none: then whatever there is stays. */
  readonly isSilent: boolean;
  readonly declared: DeclaredOverlay | undefined;
  /** Of node.json. */
  readonly defaults: NodeConfig;
  /** Who says that there is to be no overlay. */
  readonly refusers: readonly string[];
  readonly entries: readonly PeerEntry[];
  /** By the networks that use the overlay. */
  readonly keys: ReadonlyMap<string, string>;
  /** Networks that wish their traffic to be bypassed. */
  readonly bypass: readonly WishingNetwork[];
}

/** `before` saves work where little has changed since. `refersTo` hears of the file of peers before that is read. */
export function prepare(
  networks: readonly NetworkConfig[],
  defaults: NodeConfig,
  before?: Prepared,
  refersTo: (peersFile: string) => void = () => {},
): Prepared {
  const declared = declaredBy(networks, defaults);
  if (declared?.config.peersFile !== undefined) refersTo(declared.config.peersFile);
  const isSilent = networks.length === 0 && defaults.overlay === undefined;
  const using = networks.filter(({ name }) => declared?.networks.includes(name));
  // First: a file that changes while it is read must not pass for read.
  const keys = new Map(using.map((network) => [network.name, keyOf(network)]));
  const entries = declared === undefined ? [] : peerEntries(declared.config, before?.entries);
  return {
    isSilent,
    declared,
    defaults,
    refusers: refusersAmong(networks, defaults),
    entries,
    keys,
    bypass: networks.flatMap((network) => wishingNetwork(network) ?? []),
  };
}

/**
 * Whether an overlay is not declared any more although nobody took it back: whoever wants none says so, and files that declare
 * one may be about to come back. Who said none all the while spoke of something else.
 */
export function isLostSightOf(before: Prepared, now: Prepared): boolean {
  const isLost = before.declared !== undefined && now.declared === undefined;
  return isLost && now.refusers.every((name) => before.refusers.includes(name));
}

/** The same of a node whose overlay was applied before anybody who is asked now began to look. */
export function isForgotten({ declared, isSilent, refusers }: Prepared): boolean {
  return declared === undefined && !isSilent && refusers.length === 0 && stampedNetworks().length > 0;
}

/** With the same peers too. */
export function isSameDeclaration(one: Prepared, other: Prepared): boolean {
  const textOf = ({ declared, keys, entries }: Prepared) =>
    JSON.stringify([describeOverlay(declared?.config), [...keys], entries]);
  return textOf(one) === textOf(other);
}

/**
 * The whole node, as `podwire apply` sees it: what is not declared goes. `read`: again if somebody changed the overlay meanwhile, for that
 * may have been by newer files. `present` is what was applied last, if the kernel is known to have it still.
 */
export async function applyNode(
  read: () => Prepared,
  kernel: Kernel,
  present?: Applied,
): Promise<AppliedNode> {
  const turn = lastTurn();
  const first = read();
  if (first.isSilent && readBypassRecord() === undefined) return { ...nothingDone, prepared: first };
  makeStampDirectory();
  return withLock(lockFile, kernel, async () => {
    const prepared = lastTurn() === turn ? first : read();
    return { ...(await applyPrepared(prepared, kernel, present)), prepared };
  });
}

/**
 * What was applied last, as it was then: where its own configuration does not fit the host for now. undefined if somebody else has
 * changed the overlay since, who knows better.
 */
export function applyAgain(applied: Applied, kernel: Kernel): Promise<Applied | undefined> {
  return withLock(lockFile, kernel, async () => {
    if (applied.turn !== lastTurn()) return undefined;
    const turn = takeTurn();
    return { ...applied, ...(await bringAbout(applied.desired, kernel)), turn };
  });
}

async function applyPrepared(
  { isSilent, declared, defaults, entries, keys, bypass }: Prepared,
  kernel: Kernel,
  present: Applied | undefined,
): Promise<Applied> {
  if (isSilent) return also(nothingDone, await applyRecordedBypass(kernel));
  const known = present?.turn === lastTurn() ? present.desired : undefined;
  const desired = declared && (await desiredOverlay(declared, kernel, entries, known !== undefined));
  distrustStamps(keys);
  const turn = takeTurn();
  const amended = known && desired && (await amend(known.plan, desired.plan, kernel));
  const { done, obstacles, strays } =
    amended === undefined
      ? await bringAbout(desired, kernel)
      : { done: amended, obstacles: [], strays: present?.strays ?? [] };
  if (declared === undefined || desired === undefined) {
    return withBypass({ ...nothingDone, done, obstacles }, bypass, kernel);
  }
  if (keys.size > 0) {
    const stamp = stampOf(declared, desired, obstacles, defaults);
    for (const [network, key] of keys) writeStamp(network, { ...stamp, key });
  }
  const warnings = warningsOf(desired, strays);
  return withBypass({ done, obstacles, strays, warnings, desired: settled(desired), turn }, bypass, kernel);
}

const nothingDone: Applied = { done: [], obstacles: [], strays: [], warnings: [] };

/** `strays`: routes of others, as they were found. */
export function warningsOf({ peers, warnings }: Desired, strays: Applied["strays"]): string[] {
  if (strays.length === 0) return [...warnings];
  const nodes = new Map(peers.flatMap(({ node, prefixes }) => prefixes.map(({ text }) => [text, node])));
  return [
    ...warnings,
    // They may be of a peer that is none any more.
    ...strays.flatMap((stray) => {
      const node = nodes.get(stray.wanted.dst);
      return node === undefined ? [] : describeStray(stray, node);
    }),
  ];
}

/** First: nobody may go by what is about to change, also if that fails or podwire is killed. */
function distrustStamps(keys: ReadonlyMap<string, string>): void {
  for (const name of stampedNetworks()) {
    const [key, stamp] = [keys.get(name), readStamp(name)];
    if (key === undefined) removeStamp(name);
    else if (stamp !== undefined && !isFresh(stamp, key)) distrustStamp(name);
  }
}

async function withBypass(
  applied: Applied,
  networks: readonly WishingNetwork[],
  kernel: Kernel,
): Promise<Applied> {
  const { desired } = applied;
  const part = desired === undefined ? noOverlay : overlayPart(desired.plan, desired.underlay.local);
  return also(applied, await applyBypass(networks, part, kernel));
}

function also(applied: Applied, bypass: BypassOutcome | undefined): Applied {
  return bypass === undefined ? applied : { ...applied, bypass };
}

export function stampOf(
  { config, own, ovs }: DeclaredOverlay,
  desired: Desired,
  obstacles: readonly string[],
  defaults?: NodeConfig,
): Omit<Stamp, "key"> {
  return {
    isWhole: obstacles.length === 0,
    overlay: describeOverlay(config),
    isOfNode: isOverlayOfNode(config, defaults),
    own: own.map(formatPrefix),
    underlay: desired.underlay.link,
    underlayMtu: linkMtu(desired.underlay.link) ?? desired.underlay.mtu,
    ...(desired.device === undefined ? {} : { device: desired.device }),
    ...(ovs === undefined ? {} : { ovs }),
    ...bridgeStamp(settled(desired)),
    mtu: desired.mtu,
  };
}

function bridgeStamp({ bridge }: Desired): Pick<Stamp, "bridge"> {
  return bridge === undefined ? {} : { bridge };
}

export function prefixesOf({ own }: Stamp): Prefix[] {
  return own.flatMap((text) => parsePrefix(text) ?? []);
}
