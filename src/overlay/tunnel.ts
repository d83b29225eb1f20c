// vxlan and geneve, by one design: ONE device in metadata mode for all peers, and per prefix of a peer one route that
// says where the kernel is to wrap packets to (a lightweight tunnel). The next hop is the prefix's own network address,
// which the peer has on its device; its MAC follows from the peer's address, so nodes exchange nothing, and a permanent
// neighbour entry says it: no forwarding database, no learning, no flooding.
import { addressBits, firstIp, formatIp, hostPrefix, type Ip, type Prefix } from "../address/ip.ts";
import type { OverlayConfig } from "../config/overlay.ts";
import type { Address, Encap, Link, Neighbour, Plan, Route, Tunnel } from "../plan/plan.ts";
import { badOverlay, badPeers } from "./fault.ts";
import { directRoute } from "./host-gw.ts";
import { forwarding, peerSets, sysctl } from "./host-side.ts";
import { tunnelMac } from "./mac.ts";
import type { Overlay, OverlayPlan, OverlayRequest, Peer, PodPrefix, Underlay } from "./overlay.ts";
import { bridgeTunnel, type PeerPrefix } from "./ovs-tunnel.ts";
import { peerRoute } from "./peer-route.ts";
import { rememberedFor } from "./remembered.ts";

export interface TunnelType {
  readonly driver: Tunnel["driver"];
  readonly device: string;
  readonly port: number;
  /** Whether the driver takes a range of source ports. */
  readonly hasSourcePorts: boolean;
}

export const defaultVni = 4096;
/** Outer IP, UDP, the tunnel's own header of 8 bytes, and the inner Ethernet header. */
const overheads = { 4: 20 + 8 + 8 + 14, 6: 40 + 8 + 8 + 14 } as const;

const objectsOf = rememberedFor<Peer, Plan>();

export function tunnel(type: TunnelType): Overlay {
  return {
    device: type.device,
    overhead: (underlay) => overheads[underlay],
    plan: (request) => plan(type, request),
  };
}

function plan(type: TunnelType, request: OverlayRequest): OverlayPlan {
  const { config, underlay, own, peers } = request;
  const { family } = underlay.local;
  for (const peer of peers) requireFamily(peer, underlay.local);
  const mtu = tunnelMtu(request, overheads[family]);
  const id = config.vni ?? defaultVni;
  const port = config.port ?? type.port;
  const { udpcsum, tos, ttl, directRouting } = config;
  const settings = JSON.stringify([type.device, id, underlay.link, udpcsum, tos, ttl, directRouting]);
  return {
    plan: [
      peerSets(request, config.peerFilter === false ? undefined : { port, id }),
      ...(request.bridge === undefined
        ? [deviceOf(type, request, mtu, port)]
        : bridgeTunnel(type, request.bridge, request, { id, port, mtu, peers: tunnelled(request) })),
      ...(request.host.ipv6OffByDefault ? [sysctl(`net/ipv6/conf/${type.device}/disable_ipv6`, "0")] : []),
      ...own.flatMap((prefix) => overlayAddress(prefix, type.device)),
      ...peers.flatMap((peer) =>
        objectsOf(peer, settings, () => peerObjects(peer, type.device, id, request)),
      ),
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
  return config.directRouting && peer.onLink ? directRoute(peer, prefix, underlay.link) : undefined;
}

/** IPv6 needs 1280 (RFC 8200 section 5). */
function tunnelMtu({ config, underlay, own }: OverlayRequest, overhead: number): number {
  const most = underlay.mtu - overhead;
  const mtu = config.mtu ?? most;
  if (mtu > most) {
    throw badOverlay(
      `overlay.mtu = ${mtu}; expected at most ${most}: ${underlay.link} has ${underlay.mtu}, and ${config.type} adds ` +
        `${overhead} bytes`,
    );
  }
  if (mtu < 1280 && own.some(({ ip }) => ip.family === 6)) {
    throw badOverlay(
      `${underlay.link} has MTU ${underlay.mtu}, which leaves ${mtu} for pods; IPv6 needs at least 1280`,
    );
  }
  return mtu;
}

function deviceOf(type: TunnelType, { config, underlay }: OverlayRequest, mtu: number, port: number): Link {
  const range = sourcePortsOf(type, config.sourcePorts);
  return {
    kind: "link",
    where: "host",
    name: type.device,
    mac: tunnelMac(underlay.local),
    mtu,
    alias: "podwire:overlay",
    noAutomaticAddress: true,
    type: {
      kind: "tunnel",
      driver: type.driver,
      port,
      ...(range === undefined ? {} : { sourcePorts: range }),
    },
  };
}

function sourcePortsOf(type: TunnelType, text: string | undefined): readonly [number, number] | undefined {
  if (text === undefined) return undefined;
  const [first = 0, last = 0] = text.split("-").map(Number);
  if (!type.hasSourcePorts) {
    throw badOverlay(`overlay.sourcePorts = "${text}": ${type.driver} has no such setting; remove it`);
  }
  if (first < last && last <= 65535) return [first, last];
  throw badOverlay(`overlay.sourcePorts = "${text}"; expected FIRST-LAST with FIRST < LAST <= 65535`);
}

/** By it the host itself reaches pods on other nodes and is answered through the tunnel. */
function overlayAddress(prefix: Prefix, link: string): Address[] {
  if (prefix.length > addressBits(prefix.ip.family) - 2) return [];
  return [{ kind: "address", where: "host", link, address: hostPrefix(firstIp(prefix)) }];
}

function peerObjects(peer: Peer, link: string, id: number, request: OverlayRequest): Plan {
  const { config, underlay, bridge } = request;
  const encap: Encap = {
    id,
    remote: peer.addressText,
    checksum: config.udpcsum !== false,
    ...(config.tos === undefined ? {} : { tos: config.tos }),
    ...(config.ttl === undefined ? {} : { ttl: config.ttl }),
  };
  const mac = tunnelMac(peer.address);
  return peer.prefixes.flatMap((podPrefix): Plan => {
    const direct = directly(peer, podPrefix, config, underlay);
    if (direct !== undefined) return [direct];
    const gateway = formatIp(firstIp(podPrefix.prefix));
    const neighbour: Neighbour = { kind: "neighbour", where: "host", link, address: gateway, mac };
    // Of a bridge a flow says where its packets are wrapped to.
    const wrapping = bridge === undefined ? { encap } : {};
    return [neighbour, peerRoute({ link, dst: podPrefix.text, gateway, ...wrapping })];
  });
}

/** A device has one MAC, and that follows from one address: a node that is known by two cannot be reached by both. */
function requireFamily({ node, address, addressText }: Peer, local: Ip): void {
  if (address.family === local.family) return;
  throw badPeers(
    `peer ${node}: address ${addressText} is IPv${address.family}, but this node is known by ${formatIp(local)}; ` +
      "all nodes of a tunnel need addresses of one family. Correct it, or set overlay.underlay to an address of the other",
  );
}
