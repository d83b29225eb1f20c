// vxlan and geneve, by one design: ONE device in metadata mode for all peers, and per prefix of a peer one route that
// says where the kernel is to wrap packets to (a lightweight tunnel). The next hop is the prefix's own network address,
// which the peer has on its device; its MAC follows from the peer's address, so nodes exchange nothing, and a permanent
// neighbour entry says it: no forwarding database, no learning, no flooding. stt.ts shares what is not of UDP.
import { addressBits, firstIp, formatIp, hostPrefix, minMtuIpv6, type Prefix } from "../address/ip.ts";
import type { OverlayConfig } from "../config/overlay.ts";
import { hostSysctl } from "../plan/forwarding.ts";
import { overlayAlias } from "../plan/own.ts";
import type { Address, Encap, Link, Neighbour, OvsTunnel, Plan, Route, Tunnel } from "../plan/plan.ts";
import { badOverlay, badPeers, refuseKeys } from "./fault.ts";
import { directRoute } from "./host-gw.ts";
import { deadEnds, forwarding, hasPods, peerSets } from "./host-side.ts";
import { tunnelMac } from "./mac.ts";
import type { Overlay, OverlayPlan, OverlayRequest, Peer, PodPrefix, Underlay } from "./overlay.ts";
import { bridgeTunnel, type PeerPrefix } from "./ovs-tunnel.ts";
import { peerRoute } from "./peer-route.ts";
import { rememberedFor } from "./remembered.ts";

export interface TunnelType {
  readonly driver: OvsTunnel["kind"];
  readonly device: string;
  readonly port: number;
  /** Where the driver takes a route's ttl of 0 by its word. */
  readonly ttl?: number;
  /** Keys that the driver has no setting for. */
  readonly without: readonly (keyof OverlayConfig)[];
}

export const defaultVni = 4096;
/** Outer IP, UDP, the tunnel's own header of 8 bytes, and the inner Ethernet header. */
const overheads = { 4: 20 + 8 + 8 + 14, 6: 40 + 8 + 8 + 14 } as const;

const objectsOf = rememberedFor<Peer, Plan>();

export function tunnel(type: TunnelType): Overlay {
  return {
    device: type.device,
    hasBridgePort: true,
    overhead: (underlay) => overheads[underlay],
    plan: (request) => plan(type, request),
  };
}

function plan(type: TunnelType, request: OverlayRequest): OverlayPlan {
  const { config, underlay } = request;
  refuseKeys(config, type.without);
  requireFamily(request);
  const mtu = tunnelMtu(request, overheads[underlay.local.family]);
  const id = config.vni ?? defaultVni;
  const port = config.port ?? type.port;
  const link: Link = {
    ...tunnelLink(type.device, { driver: type.driver, port }, mtu, request),
    mac: tunnelMac(underlay.local),
    type: {
      kind: "tunnel",
      driver: type.driver,
      port,
      ...sourcePortsOf(config),
      ...(config.udpcsum === false && underlay.local.family === 6 ? { takesUnchecked: true } : {}),
    },
  };
  const { bridge } = request;
  return {
    plan: [
      peerSets(request, config.peerFilter === false ? undefined : { port, id }),
      ...(bridge === undefined
        ? [link]
        : bridgeTunnel(type, bridge, request, { id, port, mtu, peers: tunnelled(request) })),
      ...hostAddresses(request, type.device),
      ...ofEachPeer(request, type.device, (peer) => peerObjects(peer, type, request)),
      ...deadEnds(request),
      ...forwarding(request, type.device),
    ],
    mtu,
  };
}

/** What is sent to other nodes by the tunnel. */
function tunnelled({ config, peers, underlay }: OverlayRequest): PeerPrefix[] {
  return peers.flatMap((peer) =>
    peer.prefixes
      .filter((prefix) => directly(peer, prefix, config, underlay) === undefined)
      .map((prefix) => ({ peer, prefix })),
  );
}

function directly(
  peer: Peer,
  prefix: PodPrefix,
  config: OverlayConfig,
  underlay: Underlay,
): Route | undefined {
  return config.directRouting ? directRoute(peer, prefix, underlay.link) : undefined;
}

/** Made again only for peers that have changed. */
export function ofEachPeer(
  { config, underlay, peers, bridge }: OverlayRequest,
  device: string,
  make: (peer: Peer) => Plan,
): Plan {
  const { vni, udpcsum, tos, ttl, directRouting } = config;
  const { link, local } = underlay;
  const onBridge = bridge !== undefined;
  const known = [link, formatIp(local), onBridge];
  const settings = JSON.stringify([device, vni, udpcsum, tos, ttl, directRouting, ...known]);
  return peers.flatMap((peer) => objectsOf(peer, settings, () => make(peer)));
}

export function tunnelMtu(
  request: OverlayRequest,
  overhead: number,
  most = request.underlay.mtu - overhead,
): number {
  const { config, underlay } = request;
  const mtu = config.mtu ?? Math.min(underlay.mtu - overhead, most);
  if (mtu > most) {
    throw badOverlay(
      `overlay.mtu = ${mtu}; expected at most ${most}: ${underlay.link} has ${underlay.mtu}, and ${config.type} adds ` +
        `${overhead} bytes`,
    );
  }
  if (mtu < minMtuIpv6 && usesIpv6(request)) {
    const why =
      config.mtu === mtu
        ? `overlay.mtu = ${mtu}`
        : `${underlay.link} has MTU ${underlay.mtu}, which leaves ${mtu} for pods`;
    throw badOverlay(
      `${why}; IPv6 needs at least ${minMtuIpv6}, and pods of this node or of its peers have it`,
    );
  }
  return mtu;
}

export function tunnelLink(
  device: string,
  { driver, port }: Pick<Tunnel, "driver" | "port">,
  mtu: number,
  { host }: OverlayRequest,
): Link {
  return {
    kind: "link",
    where: "host",
    name: device,
    mtu,
    alias: overlayAlias,
    noAutomaticAddress: host.ipv6,
    type: { kind: "tunnel", driver, port },
  };
}

function sourcePortsOf({ sourcePorts }: OverlayConfig): Pick<Tunnel, "sourcePorts"> {
  if (sourcePorts === undefined) return {};
  const [first = 0, last = 0] = sourcePorts.split("-").map(Number);
  if (first < last && last <= 65535) return { sourcePorts: [first, last] };
  throw badOverlay(`overlay.sourcePorts = "${sourcePorts}"; expected FIRST-LAST with FIRST < LAST <= 65535`);
}

function usesIpv6(request: OverlayRequest): boolean {
  return hasPods(request, 6) || request.own.some(({ ip }) => ip.family === 6);
}

/** By them the host itself reaches pods on other nodes and is answered through the tunnel. */
export function hostAddresses(request: OverlayRequest, link: string): Plan {
  const { own } = request;
  const isUseful = ({ ip, length }: Prefix) => length <= addressBits(ip.family) - 2;
  return [
    // Also where it is on by default: once turned off it takes neither address nor route, and keeps all else from being repaired.
    ...(usesIpv6(request) ? [hostSysctl(`net/ipv6/conf/${link}/disable_ipv6`, "0")] : []),
    ...own
      .filter(isUseful)
      .map(
        (prefix): Address => ({ kind: "address", where: "host", link, address: hostPrefix(firstIp(prefix)) }),
      ),
  ];
}

function peerObjects(peer: Peer, { device: link, ttl }: TunnelType, request: OverlayRequest): Plan {
  const outer = { checksum: request.config.udpcsum !== false, ...(ttl === undefined ? {} : { ttl }) };
  const mac = tunnelMac(peer.address);
  return peer.prefixes.flatMap((podPrefix): Plan => {
    const route = routeTo(peer, podPrefix, link, outer, request);
    if (route.link !== link || route.gateway === undefined) return [route];
    const neighbour: Neighbour = { kind: "neighbour", where: "host", link, address: route.gateway, mac };
    return [neighbour, route];
  });
}

/** Through the tunnel, or without it where that is wanted and works. `outer`: unless the configuration says something else. */
export function routeTo(
  peer: Peer,
  podPrefix: PodPrefix,
  link: string,
  outer: Pick<Encap, "checksum" | "ttl">,
  { config, underlay, bridge }: OverlayRequest,
): Route {
  const direct = directly(peer, podPrefix, config, underlay);
  if (direct !== undefined) return direct;
  const encap: Encap = {
    id: config.vni ?? defaultVni,
    local: formatIp(underlay.local),
    remote: peer.addressText,
    ...outer,
    ...(config.tos === undefined ? {} : { tos: config.tos }),
    ...(config.ttl === undefined ? {} : { ttl: config.ttl }),
  };
  const gateway = formatIp(firstIp(podPrefix.prefix));
  // Of a bridge a flow says where its packets are wrapped to.
  const wrapping = bridge === undefined ? { encap } : {};
  return peerRoute({ link, dst: podPrefix.text, gateway, ...wrapping });
}

/** A device has one MAC and one MTU, which follow from one address: a node that is known by two cannot be reached by both. */
export function requireFamily({ peers, underlay: { local } }: OverlayRequest): void {
  const other = peers.find(({ address }) => address.family !== local.family);
  if (other === undefined) return;
  throw badPeers(
    `peer ${other.node}: address ${other.addressText} is IPv${other.address.family}, but this node is known by ` +
      `${formatIp(local)}; all nodes of a tunnel need addresses of one family. Correct it, or set overlay.underlay to an ` +
      "address of the other",
  );
}
