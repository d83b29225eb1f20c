// host-gw: each peer is the next hop to its pods. Nothing is wrapped, so nothing is lost of speed or MTU; but every
// peer must be on the underlay's own link, because routers between would not know the pods' prefixes.
import type { Route } from "../plan/plan.ts";
import { badPeers, refuseKeys } from "./fault.ts";
import { deadEnds, forwarding, peerSets } from "./host-side.ts";
import type { Overlay, OverlayPlan, OverlayRequest, Peer, PodPrefix } from "./overlay.ts";
import { peerRoute } from "./peer-route.ts";
import { rememberedFor } from "./remembered.ts";

/** Nothing is wrapped, and all routing is direct. */
const tunnelKeys = [
  "vni",
  "port",
  "directRouting",
  "output",
  "udpcsum",
  "sourcePorts",
  "tos",
  "ttl",
  "peerFilter",
] as const;

const routesOf = rememberedFor<Peer, readonly Route[]>();

export const hostGw: Overlay = { overhead: () => 0, plan };

function plan(request: OverlayRequest): OverlayPlan {
  const { config, underlay, peers } = request;
  refuseKeys(config, tunnelKeys);
  const { link } = underlay;
  const routes = peers.flatMap((peer) =>
    routesOf(peer, link, () =>
      peer.prefixes.map((prefix) => hostRoute(peer, prefix, link) ?? refuse(peer, prefix, link)),
    ),
  );
  return {
    plan: [peerSets(request, undefined), ...routes, ...deadEnds(request), ...forwarding(request)],
    mtu: Math.min(config.mtu ?? underlay.mtu, underlay.mtu),
  };
}

/** undefined if the peer has no address on the link that can be the prefix's next hop. */
export function directRoute(peer: Peer, prefix: PodPrefix, link: string): Route | undefined {
  return nextHop(peer, prefix).onLink ? hostRoute(peer, prefix, link) : undefined;
}

/** A link that was down has lost its IPv6 addresses: then peers are taken to be where they are declared to be. */
function hostRoute(peer: Peer, prefix: PodPrefix, link: string): Route | undefined {
  const { gateway, onLink } = nextHop(peer, prefix);
  return gateway === undefined || onLink === false
    ? undefined
    : peerRoute({ link, dst: prefix.text, gateway });
}

interface NextHop {
  readonly gateway: string | undefined;
  /** undefined where nothing tells. */
  readonly onLink: boolean | undefined;
}

/** IPv4 packets can have a next hop that is known by an IPv6 address, not the other way round. */
function nextHop(peer: Peer, { prefix }: PodPrefix): NextHop {
  const isByAddress = prefix.ip.family === 4 || peer.address.family === 6;
  return isByAddress
    ? { gateway: peer.addressText, onLink: peer.onLink }
    : { gateway: peer.address6Text, onLink: peer.onLink6 };
}

function refuse(peer: Peer, prefix: PodPrefix, link: string): never {
  const { node, addressText } = peer;
  const { gateway } = nextHop(peer, prefix);
  const { text } = prefix;
  if (gateway !== undefined) {
    throw badPeers(
      `peer ${node}: address ${gateway} is not on the link ${link}, so host-gw cannot reach its pods of ${text}; use ` +
        "vxlan or geneve, with directRouting for the peers that are on the link",
    );
  }
  throw badPeers(
    `peer ${node}: host-gw cannot route ${text} by the IPv4 address ${addressText}; give its IPv6 address as address6`,
  );
}
