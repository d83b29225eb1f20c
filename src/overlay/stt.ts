// STT: TCP-shaped segments, so that a network card segments what pods' TCP left whole also where it cannot segment UDP tunnels
// (docs/stt.md). Like vxlan and geneve it is one device and a route for each prefix of a peer. It needs no neighbours, and its
// module itself keeps strangers out, because it takes segments before any rule of nftables sees them.
import { hostPrefix } from "../address/ip.ts";
import type { SttSettings } from "../plan/plan.ts";
import { badOverlay, badPeers, refuseKeys } from "./fault.ts";
import { deadEnds, forwarding, peerSets } from "./host-side.ts";
import type { Overlay, OverlayPlan, OverlayRequest } from "./overlay.ts";
import { hostAddresses, ofEachPeer, requireFamily, routeTo, tunnelLink, tunnelMtu } from "./tunnel.ts";

const device = "pw-stt";
/** IANA's. */
const usualPort = 7471;
/** Outer IP, TCP-shaped header, STT's own of 18 bytes, and the inner Ethernet header. */
const overheads = { 4: 20 + 20 + 18 + 14, 6: 40 + 20 + 18 + 14 } as const;
/** The module's, so that a frame and its headers fit into an IP packet of either family. */
const largestMtu = 65535 - overheads[6];
/** As many fit into one attribute of netlink. */
const mostPeers = 3270;

export const stt: Overlay = { device, overhead: (underlay) => overheads[underlay], plan };

function plan(request: OverlayRequest): OverlayPlan {
  const { config, underlay } = request;
  refuseKeys(config, ["udpcsum", "sourcePorts"]);
  requireFamily(request);
  if (config.mtu !== undefined && config.mtu > largestMtu) {
    throw badOverlay(
      `overlay.mtu = ${config.mtu}; expected at most ${largestMtu}, which is what one frame of stt holds`,
    );
  }
  // What does not fit a packet of the underlay goes in several segments.
  const mtu = tunnelMtu(request, overheads[underlay.local.family], largestMtu);
  const port = config.port ?? usualPort;
  return {
    plan: [
      peerSets(request, undefined),
      settings(request, port),
      tunnelLink(device, { driver: "stt", port }, mtu, request),
      ...hostAddresses(request, device),
      ...ofEachPeer(request, device, (peer) =>
        peer.prefixes.map((podPrefix) => routeTo(peer, podPrefix, device, { checksum: false }, request)),
      ),
      ...deadEnds(request),
      ...forwarding(request, device),
    ],
    mtu,
  };
}

function settings({ config, peers }: OverlayRequest, port: number): SttSettings {
  const { output = "notrack", peerFilter } = config;
  if (peerFilter !== false && peers.length > mostPeers) {
    throw badPeers(
      `${peers.length} peers; stt keeps strangers out by a list of at most ${mostPeers}. Set overlay.peerFilter to false ` +
        "and filter between the nodes, or use vxlan or geneve",
    );
  }
  return {
    kind: "stt-settings",
    where: "host",
    link: device,
    port,
    output,
    ...(peerFilter === false ? {} : { peers: peers.map(({ address }) => hostPrefix(address)).toSorted() }),
  };
}
