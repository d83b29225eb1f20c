// host-gw: each peer is the next hop to its pods. Nothing is wrapped, so nothing is lost of speed or MTU; but every
// peer must be on the underlay's own link, because routers between would not know the pods' prefixes.
import { formatIp } from "../address/ip.ts";
import type { Route } from "../plan/plan.ts";
import { badPeers, refuseKeys } from "./fault.ts";
import { forwarding, peerSets } from "./host-side.ts";
import type { Overlay, OverlayPlan, OverlayRequest, Peer, PodPrefix } from "./overlay.ts";
import { peerRoute } from "./peer-route.ts";
import { rememberedFor } from "./remembered.ts";

const routesOf = rememberedFor<Peer, readonly Route[]>();

export const hostGw: Overlay = { overhead: () => 0, plan };

function plan(request: OverlayRequest): OverlayPlan {
  const { config, underlay, peers } = request;
  refuseKeys(config, ["output"]);
  for (const peer of peers) requireOnLink(peer, underlay.link);
  const routes = peers.flatMap((peer) =>
    routesOf(peer, underlay.link, () =>
      peer.prefixes.map((prefix) => directRoute(peer, prefix, underlay.link) ?? refuseFamily(peer, prefix)),
    ),
  );
  return {
    plan: [peerSets(request, undefined), ...routes, ...forwarding(request, underlay.link)],
    mtu: Math.min(config.mtu ?? underlay.mtu, underlay.mtu),
  };
}

/** undefined if the peer has no address of a family that can be the prefix's next hop. */
export function directRoute(peer: Peer, { text, prefix }: PodPrefix, link: string): Route | undefined {
  const isSame = peer.address.family === prefix.ip.family;
  // IPv4 packets can have a next hop that is known by an IPv6 address, not the other way round.
  const gateway = isSame || prefix.ip.family === 4 ? formatIp(peer.address) : peer.address6;
  return gateway === undefined ? undefined : peerRoute({ link, dst: text, gateway });
}

function requireOnLink({ node, addressText, onLink }: Peer, link: string): void {
  if (onLink) return;
  throw badPeers(
    `peer ${node}: address ${addressText} is not on the link ${link}, so host-gw cannot reach its pods; use ` +
      "vxlan or geneve, with directRouting for the peers that are on the link",
  );
}

function refuseFamily({ node, addressText }: Peer, { text }: PodPrefix): never {
  throw badPeers(
    `peer ${node}: host-gw cannot route ${text} by the IPv4 address ${addressText}; give its IPv6 address as address6`,
  );
}
