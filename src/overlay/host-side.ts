// What every overlay needs of the host besides routes: forwarding, and nftables' knowledge of the peers.
import { type Family, formatPrefix } from "../address/ip.ts";
import { deadEnd } from "../plan/dead-end.ts";
import { hostForwarding, hostSysctl } from "../plan/forwarding.ts";
import type { PeerSets, Plan } from "../plan/plan.ts";
import type { OverlayRequest } from "./overlay.ts";

/** Of what arrives by the overlay's device, and by the underlay's link where peers send by it directly, on the whole host. */
export function forwarding(request: OverlayRequest, device?: string): Plan {
  const { config, underlay, host } = request;
  const isDirect = device === undefined || config.directRouting === true;
  const links = [...(device === undefined ? [] : [device]), ...(isDirect ? [underlay.link] : [])];
  const ofLinks = (family: "ipv4" | "ipv6") =>
    links.map((link) => hostSysctl(`net/${family}/conf/${link}/forwarding`, "1"));
  const { advertisedLinks } = host;
  return [
    ...(hasPods(request, 4) ? [...ofLinks("ipv4"), ...hostForwarding(4, advertisedLinks)] : []),
    ...(hasPods(request, 6) ? [...hostForwarding(6, advertisedLinks), ...ofLinks("ipv6")] : []),
  ];
}

/** What is for pods of this node that are not there. */
export function deadEnds(request: OverlayRequest): Plan {
  const { own } = request;
  return own
    .filter(({ ip }) => ip.family === 4 || hasPods(request, 6))
    .map((prefix) => deadEnd(formatPrefix(prefix)));
}

/** Whether other nodes have pods of this family. */
export function hasPods({ peers }: OverlayRequest, family: Family): boolean {
  return peers.some(({ prefixes }) => prefixes.some(({ prefix }) => prefix.ip.family === family));
}

/** `tunnelled`: what packets to be filtered look like; undefined where none are expected. */
export function peerSets(
  { peers }: OverlayRequest,
  tunnelled: { port: number; id: number } | undefined,
): PeerSets {
  return {
    kind: "peer-sets",
    where: "host",
    prefixes: peers.flatMap(({ prefixes }) => prefixes.map(({ text }) => text)),
    ...(tunnelled === undefined
      ? {}
      : { filter: { ...tunnelled, addresses: peers.map(({ addressText }) => addressText) } }),
  };
}
