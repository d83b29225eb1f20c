// For a host whose kernel has no IPv6: what of a list of peers is left there.
import type { CheckedPeers, UnplacedPeer } from "./peers.ts";
import { remembered } from "./remembered.ts";

const withoutIpv6 = remembered((peer: UnplacedPeer): UnplacedPeer => {
  const { address6: _, address6Text: __, ...rest } = peer;
  return { ...rest, prefixes: peer.prefixes.filter(({ prefix }) => prefix.ip.family === 4) };
});

export function onlyIpv4({ peers, own, ...rest }: CheckedPeers): CheckedPeers {
  return { ...rest, peers: peers.map(withoutIpv6), own: own.filter(({ ip }) => ip.family === 4) };
}

/** Of how many prefixes `checked` is deprived; none of one that has no IPv6. */
export function prefixesOfIpv6({ peers, own }: CheckedPeers): number {
  const prefixes = [...own, ...peers.flatMap((peer) => peer.prefixes.map(({ prefix }) => prefix))];
  return prefixes.filter(({ ip }) => ip.family === 6).length;
}
