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
import { reserved, reservedAs } from "./reserved.ts";

/** An entry and where it stands, for messages. */
export interface PeerEntry {
  readonly config: PeerConfig;
  readonly place: string;
}

export interface CheckedPeers {
  readonly peers: readonly Omit<Peer, "onLink">[];
  /** Of this node itself, if the list has it. */
  readonly self?: { readonly address: Ip };
  /** Prefixes of this node's own pods: the given ones and those of its entry. */
  readonly own: readonly Prefix[];
}

/** Throws code 7, naming the peer and the field. */
export function checkPeers(
  entries: readonly PeerEntry[],
  own: readonly Prefix[],
  ownAddresses: ReadonlySet<string>,
): CheckedPeers {
  const parsed = entries.map(parsePeer);
  const isSelf = ({ addressText }: Named) => ownAddresses.has(addressText);
  const selves = parsed.filter(isSelf);
  const peers = parsed.filter((peer) => !isSelf(peer));
  refuseSameAddress(peers);
  const allOwn = [...own, ...selves.flatMap(({ prefixes }) => prefixes.map(({ prefix }) => prefix))];
  refuseOverlaps(peers, distinct(allOwn), ownAddresses);
  const [self] = selves;
  return { peers, own: distinct(allOwn), ...(self === undefined ? {} : { self: { address: self.address } }) };
}

type Named = Omit<Peer, "onLink"> & { readonly place: string };

function parsePeer({ config, place }: PeerEntry): Named {
  const { node } = config;
  const address = parseIp(config.address);
  if (address === undefined) throw badPeers(`${place}.address of peer ${node} is not an address`);
  const meaning = reservedAs(address)?.text;
  if (meaning !== undefined) {
    throw badPeers(
      `${place}.address = "${config.address}" of peer ${node} is one of ${meaning}; expected the node's own address`,
    );
  }
  const address6 = config.address6 === undefined ? undefined : parseIp(config.address6);
  if (config.address6 !== undefined && (address6?.family !== 6 || address.family !== 4)) {
    throw badPeers(
      `${place}.address6 = "${config.address6}" of peer ${node}; expected an IPv6 address beside an IPv4 one in address`,
    );
  }
  return {
    node,
    place,
    address,
    addressText: formatIp(address),
    ...(address6 === undefined ? {} : { address6: formatIp(address6) }),
    prefixes: config.podCIDRs.map((text, index) => parsePodPrefix(text, `${place}.podCIDRs.${index}`, node)),
  };
}

function parsePodPrefix(text: string, place: string, node: string): PodPrefix {
  const parsed = parsePrefix(text);
  if (parsed === undefined) throw badPeers(`${place} = "${text}" of peer ${node} is not a network`);
  const prefix = { ip: firstIp(parsed), length: parsed.length };
  return { text: formatPrefix(prefix), prefix };
}

function refuseSameAddress(peers: readonly Named[]): void {
  const seen = new Map<string, Named>();
  for (const peer of peers) {
    const other = seen.get(peer.addressText);
    if (other !== undefined) {
      throw badPeers(
        `${peer.place}.address = "${peer.addressText}" of peer ${peer.node} is also that of peer ${other.node} ` +
          `(${other.place}); expected each address once, with all podCIDRs of that node`,
      );
    }
    seen.set(peer.addressText, peer);
  }
}

interface Claim {
  readonly family: Family;
  readonly first: bigint;
  readonly last: bigint;
  /** "10.244.2.0/24 of peer n2 (overlay.peers.0)" */
  readonly describe: () => string;
}

/** An address that has changed makes a node a stranger in its own list. */
const ifItself = " (if that entry is this node, its address is none that the node has)";

/** Sorted, so that thousands of prefixes are compared with their neighbours alone. */
function refuseOverlaps(
  peers: readonly Named[],
  own: readonly Prefix[],
  ownAddresses: ReadonlySet<string>,
): void {
  const pods = peers.flatMap((peer) => peer.prefixes.map((prefix) => podClaim(peer, prefix)));
  const nodes = [
    ...own.map((prefix) => claim(prefix, () => `${formatPrefix(prefix)}, this node's own pods${ifItself}`)),
    ...peers.map((peer) =>
      claim(hostOf(peer.address), () => `${peer.addressText}, the address of peer ${peer.node}`),
    ),
    ...reserved.map(({ text, ...range }) => ({ ...range, describe: () => text })),
    ...[...ownAddresses].flatMap((text) => {
      const ip = parseIp(text);
      return ip === undefined ? [] : claim(hostOf(ip), () => `${text}, an address of this node`);
    }),
  ];
  const isPod = new Set(pods);
  const sorted = [...pods, ...nodes].sort(
    (a, b) => a.family - b.family || compare(a.first, b.first) || compare(b.last, a.last),
  );
  // The widest so far of peers' prefixes, and of everything.
  let widestPod: Claim | undefined;
  let widest: Claim | undefined;
  for (const next of sorted) {
    const before = isPod.has(next) ? widest : widestPod;
    if (before !== undefined && before.family === next.family && next.first <= before.last) {
      const [inner, outer] = isPod.has(next) ? [next, before] : [before, next];
      throw badPeers(
        `${inner.describe()}, overlaps ${outer.describe()}; expected prefixes that no other node uses`,
      );
    }
    if (widest === undefined || widest.family !== next.family || next.last > widest.last) widest = next;
    if (isPod.has(next)) widestPod = next;
  }
}

function podClaim({ node, place }: Named, { text, prefix }: PodPrefix): Claim {
  return claim(prefix, () => `podCIDR ${text} of peer ${node} (${place})`);
}

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
