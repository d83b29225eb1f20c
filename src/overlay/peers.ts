// The peers of a configuration, checked as a whole before anything is changed: a mistake in one of thousands is named,
// and nothing is applied by halves. One list may serve all nodes: the entry with an address of this node's own is this node.
import {
  addressBits,
  type Family,
  firstIp,
  formatIp,
  formatPrefix,
  type Ip,
  lastIp,
  type Prefix,
  parseIp,
  parsePrefix,
} from "../address/ip.ts";
import type { PeerConfig } from "../config/overlay.ts";
import { badPeers } from "./fault.ts";
import type { Peer, PodPrefix } from "./overlay.ts";
import { remembered } from "./remembered.ts";
import { reserved, reservedAs } from "./reserved.ts";

/** An entry and where it stands, for messages. */
export interface PeerEntry {
  readonly config: PeerConfig;
  readonly place: string;
}

/** Of which it is not known yet where it is. */
export type UnplacedPeer = Omit<Peer, "onLink" | "onLink6">;

export interface CheckedPeers {
  readonly peers: readonly UnplacedPeer[];
  /** Of this node itself, if the list has it. */
  readonly self?: { readonly node: string; readonly address: Ip; readonly prefixes: readonly Prefix[] };
  /** Prefixes of this node's own pods: the given ones and those of its entry. */
  readonly own: readonly Prefix[];
}

/** Throws code 7, naming the peer and the field. */
export function checkPeers(
  entries: readonly PeerEntry[],
  own: readonly Prefix[],
  ownAddresses: ReadonlySet<string>,
  gateways: readonly string[] = [],
): CheckedPeers {
  const parsed = entries.map(({ config, place }): Placed => ({ place, peer: parsePeer(config, place) }));
  const isSelf = ({ peer }: Placed) => ownAddresses.has(peer.addressText);
  const selves = parsed.filter(isSelf).map(({ peer }) => peer);
  const others = parsed.filter((placed) => !isSelf(placed));
  refuseSameAddress(parsed);
  refuseStrangers(others, ownAddresses);
  const ofSelf = selves.flatMap(({ prefixes }) => prefixes.map(({ prefix }) => prefix));
  const allOwn = [...own, ...ofSelf];
  refuseOverlaps(others, distinct(allOwn), [
    ...[...ownAddresses].map((text) => ({ text, what: "an address of this node" })),
    ...gateways.map((text) => ({ text, what: "the gateway of this node's default route" })),
  ]);
  const [self] = selves;
  return {
    peers: others.map(({ peer }) => peer),
    own: distinct(allOwn),
    ...(self === undefined ? {} : { self: { node: self.node, address: self.address, prefixes: ofSelf } }),
  };
}

interface Placed {
  readonly peer: UnplacedPeer;
  readonly place: string;
}

const parsedPeers = new WeakMap<PeerConfig, UnplacedPeer>();

function parsePeer(config: PeerConfig, place: string): UnplacedPeer {
  const known = parsedPeers.get(config);
  if (known !== undefined) return known;
  const { node } = config;
  const address = parseIp(config.address);
  if (address === undefined) throw badPeers(`${place}.address of peer ${node} is not an address`);
  refuseReserved(address, `${place}.address`, config.address, node);
  const address6 = config.address6 === undefined ? undefined : parseIp(config.address6);
  if (config.address6 !== undefined && (address6?.family !== 6 || address.family !== 4)) {
    throw badPeers(
      `${place}.address6 = "${config.address6}" of peer ${node}; expected an IPv6 address beside an IPv4 one in address`,
    );
  }
  if (address6 !== undefined) refuseReserved(address6, `${place}.address6`, config.address6, node);
  const peer = {
    node,
    address,
    addressText: formatIp(address),
    ...(address6 === undefined ? {} : { address6, address6Text: formatIp(address6) }),
    prefixes: config.podCIDRs.map((text, index) => parsePodPrefix(text, `${place}.podCIDRs.${index}`, node)),
  };
  parsedPeers.set(config, peer);
  return peer;
}

function refuseReserved(ip: Ip, place: string, text: string | undefined, node: string): void {
  const meaning = reservedAs(ip)?.text;
  if (meaning === undefined) return;
  throw badPeers(
    `${place} = "${text}" of peer ${node} is one of ${meaning}; expected the node's own address`,
  );
}

function parsePodPrefix(text: string, place: string, node: string): PodPrefix {
  const parsed = parsePrefix(text);
  if (parsed === undefined) throw badPeers(`${place} = "${text}" of peer ${node} is not a network`);
  const prefix = { ip: firstIp(parsed), length: parsed.length };
  return { text: formatPrefix(prefix), prefix };
}

function refuseSameAddress(peers: readonly Placed[]): void {
  const seen = new Map<string, Placed>();
  for (const placed of peers) {
    const { addressText, address6Text } = placed.peer;
    refuseSeen(placed, "address", addressText, seen);
    if (address6Text !== undefined) refuseSeen(placed, "address6", address6Text, seen);
  }
}

function refuseStrangers(others: readonly Placed[], ownAddresses: ReadonlySet<string>): void {
  for (const { place, peer } of others) {
    const { node, address6Text } = peer;
    if (address6Text === undefined || !ownAddresses.has(address6Text)) continue;
    throw badPeers(
      `${place}.address6 = "${address6Text}" of peer ${node} is an address of this node, but its ` +
        "address is not; correct one of them",
    );
  }
}

function refuseSeen(placed: Placed, key: string, address: string, seen: Map<string, Placed>): void {
  const other = seen.get(address);
  if (other !== undefined) {
    throw badPeers(
      `${placed.place}.${key} = "${address}" of peer ${placed.peer.node} is also that of peer ${other.peer.node} ` +
        `(${other.place}); expected each address once, with all podCIDRs of that node`,
    );
  }
  seen.set(address, placed);
}

interface Claim {
  readonly family: Family;
  readonly first: bigint;
  readonly last: bigint;
  /** Of a peer's pods. */
  readonly peer?: UnplacedPeer;
  /** "10.244.2.0/24 of peer n2" */
  readonly describe: () => string;
}

/** An address that has changed makes a node a stranger in its own list. */
const ifItself = " (if that entry is this node, its address is none that the node has)";

/** Sorted, so that thousands of prefixes are compared with their neighbours alone. */
function refuseOverlaps(
  peers: readonly Placed[],
  own: readonly Prefix[],
  needed: readonly { readonly text: string; readonly what: string }[],
): void {
  const claims: Claim[] = [
    ...peers.flatMap(({ peer }) => podClaims(peer)),
    ...peers.flatMap(({ peer }) => nodeClaims(peer)),
    ...own.map((prefix) => claim(prefix, () => `${formatPrefix(prefix)}, this node's own pods${ifItself}`)),
    ...reserved.map(({ text, ...range }) => ({ ...range, describe: () => text })),
    ...needed.flatMap(({ text, what }) => {
      const ip = parseIp(text);
      return ip === undefined ? [] : claim(hostOf(ip), () => `${formatIp(ip)}, ${what}`);
    }),
  ];
  const sorted = claims.sort(
    (a, b) => a.family - b.family || compare(a.first, b.first) || compare(b.last, a.last),
  );
  // The widest so far of peers' prefixes, and of everything.
  let widestPod: Claim | undefined;
  let widest: Claim | undefined;
  for (const next of sorted) {
    const isPod = next.peer !== undefined;
    const before = isPod ? widest : widestPod;
    if (before !== undefined && before.family === next.family && next.first <= before.last) {
      const [inner, outer] = isPod ? [next, before] : [before, next];
      const [one, other] = [inner, outer].map(({ peer, describe }) => describe() + placeOf(peer, peers));
      throw badPeers(`${one}, overlaps ${other}; expected prefixes that no other node uses`);
    }
    if (widest === undefined || widest.family !== next.family || next.last > widest.last) widest = next;
    if (isPod) widestPod = next;
  }
}

function placeOf(peer: UnplacedPeer | undefined, peers: readonly Placed[]): string {
  return peer === undefined ? "" : ` (${peers.find((placed) => placed.peer === peer)?.place})`;
}

const podClaims = remembered((peer: UnplacedPeer): Claim[] =>
  peer.prefixes.map(({ text, prefix }) => ({
    ...claim(prefix, () => `podCIDR ${text} of peer ${peer.node}`),
    peer,
  })),
);

const nodeClaims = remembered(({ node, address, address6 }: UnplacedPeer): Claim[] =>
  [address, ...(address6 === undefined ? [] : [address6])].map((ip) =>
    claim(hostOf(ip), () => `${formatIp(ip)}, the address of peer ${node}`),
  ),
);

function claim(prefix: Prefix, describe: () => string): Claim {
  return { family: prefix.ip.family, first: firstIp(prefix).value, last: lastIp(prefix).value, describe };
}

function hostOf(ip: Ip): Prefix {
  return { ip, length: addressBits(ip.family) };
}

function compare(a: bigint, b: bigint): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function distinct(prefixes: readonly Prefix[]): Prefix[] {
  const networks = prefixes.map((prefix) => ({ ip: firstIp(prefix), length: prefix.length }));
  return [...new Map(networks.map((prefix) => [formatPrefix(prefix), prefix])).values()];
}
