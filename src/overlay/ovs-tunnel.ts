// vxlan and geneve on a bridge of Open vSwitch: one tunnel port for all peers, and one flow per prefix of a peer's pods that
// says where its packets are wrapped to. On the wire it is what the kernel's own device makes, so that nodes of both kinds
// go together. The host reaches the tunnel by an internal port that has the name, the addresses and the routes of that device.
import { addressBits, formatIp } from "../address/ip.ts";
import { type BridgeInUse, bridgeObject, localPort } from "../plan/ovs/bridge.ts";
import { ownCookies, ownerKey } from "../plan/ovs/lines.ts";
import {
  admission,
  asideMatches,
  delivery,
  handover,
  ipMatch,
  measure,
  size,
  toDelivery,
  toHost,
  toSize,
  untagged,
} from "../plan/ovs/tables.ts";
import type { OvsFlow, OvsPort, Plan, PlanObject } from "../plan/plan.ts";
import { badOverlay } from "./fault.ts";
import { tunnelMac } from "./mac.ts";
import type { OverlayRequest, Peer, PodPrefix } from "./overlay.ts";
import type { TunnelType } from "./tunnel.ts";

/** Name of the port. Its link is Open vSwitch's own: vxlan_sys_4789, genev_sys_6081. */
export const tunnelPort = "pw-tunnel";
/** What its ports say of themselves under podwire's key. */
const owner = "overlay";

export interface PeerPrefix {
  readonly peer: Peer;
  readonly prefix: PodPrefix;
}

export interface BridgeTunnel {
  /** VNI. */
  readonly id: number;
  /** UDP. */
  readonly port: number;
  readonly mtu: number;
  readonly peers: readonly PeerPrefix[];
}

export function bridgeTunnel(
  { driver, device }: TunnelType,
  bridge: BridgeInUse,
  { config, underlay, host }: OverlayRequest,
  tunnel: BridgeTunnel,
): Plan {
  refuseUnfit(driver, bridge, config.sourcePorts);
  const { at, localMac } = bridge;
  const mac = tunnelMac(underlay.local);
  const own = {
    kind: "ovs-port",
    where: "host",
    ...at,
    trunk: [],
    externalIds: { [ownerKey]: owner },
  } as const;
  const port: OvsPort = {
    ...own,
    name: tunnelPort,
    type: {
      kind: driver,
      port: tunnel.port,
      local: formatIp(underlay.local),
      checksum: config.udpcsum !== false,
      ...(config.tos === undefined ? {} : { tos: config.tos }),
      ...(config.ttl === undefined ? {} : { ttl: config.ttl }),
    },
  };
  const cookie = ownCookies.overlay;
  const flows = [
    ...commonFlows(device, localMac, mac, tunnel),
    ...tunnel.peers.map((peer) => peerFlow(peer, mac, tunnel)),
  ];
  return [
    bridgeObject(bridge),
    port,
    { ...own, name: device, type: { kind: "internal", mac, mtu: tunnel.mtu } },
    { kind: "ovs-flows", where: "host", ...at, cookie, flows },
    localPort(bridge, host.ipv6),
    {
      kind: "link",
      where: "host",
      type: { kind: "ovs", bridge: at },
      name: device,
      mac,
      mtu: tunnel.mtu,
      noAutomaticAddress: host.ipv6,
    },
  ] satisfies PlanObject[];
}

/**
 * Over pods' MACs, one of which may be the tunnel's of a node, if its pod asked for it; under their addresses, because a
 * prefix of this node may be in a larger one of a peer.
 */
const priority = { toPeer: 56, inward: 55 };

/** All that is not for a pod of the bridge is for the host, by whose own port it came or would have gone. */
function commonFlows(device: string, localMac: string, mac: string, { id }: BridgeTunnel): OvsFlow[] {
  const unicast = "dl_dst=00:00:00:00:00:00/01:00:00:00:00:00";
  const inward = `in_port="${tunnelPort}"`;
  const outward = `in_port="${device}"`;
  return [
    ...["ip", "ipv6"].map((family) =>
      admission(200, `${family},tun_id=${hex(id)},${inward},${unicast}`, toDelivery),
    ),
    ...["ip", "ipv6"].map((family) => admission(200, `${family},${outward},${unicast}`, toDelivery)),
    ...[inward, outward].map((from) => admission(190, from, "drop")),
    delivery(priority.inward, inward, `output:"${device}"`),
    size(20, outward, `output:"${tunnelPort}"`),
    // The host routes it once more, and says "fragmentation needed" or fragments it.
    ...asideMatches.map((match) => size(10, match, toHost(localMac))),
    size(1, "", `output:"${tunnelPort}"`),
    // The same for a pod: by the bridge's local port it could not have come, to the host (rp_filter).
    ...asideMatches.map((match) =>
      handover(30, `${match},${inward}`, `set_field:${mac}->eth_dst,output:"${device}"`),
    ),
  ];
}

function peerFlow({ peer, prefix }: PeerPrefix, mac: string, { id, mtu }: BridgeTunnel): OvsFlow {
  const { ip, length } = prefix.prefix;
  // Open vSwitch leaves the length of a single address away.
  const text = length === addressBits(ip.family) ? formatIp(ip) : prefix.text;
  const destination = ipMatch(text, "dst", untagged);
  const remote = peer.addressText.includes(":") ? "tun_ipv6_dst" : "tun_dst";
  const actions = [
    `set_field:${mac}->eth_src`,
    `set_field:${tunnelMac(peer.address)}->eth_dst`,
    `set_field:${hex(id)}->tun_id`,
    `set_field:${peer.addressText}->${remote}`,
    measure(mtu),
    toSize,
  ];
  return { ...delivery(priority.toPeer, destination, actions.join(",")), remote: peer.addressText };
}

function hex(id: number): string {
  return `0x${id.toString(16)}`;
}

function refuseUnfit(type: string, { at, datapathType }: BridgeInUse, sourcePorts: string | undefined): void {
  if (datapathType === "netdev") throw userspaceTunnel(type, `bridge ${at.bridge}`);
  if (sourcePorts !== undefined) {
    throw badOverlay(`overlay.sourcePorts = "${sourcePorts}": Open vSwitch has no such setting; remove it`);
  }
}

/** Open vSwitch in userspace does not use the host's stack for what it wraps. */
export function userspaceTunnel(type: string, where: string): Error {
  return badOverlay(
    `overlay.type = "${type}" with datapath ovs: ${where} is one in userspace (netdev), which sends tunnel packets only ` +
      "by a link that is a port of such a bridge itself, and the underlay's is the host's; use overlay host-gw, or " +
      'ovs.datapathType "system"',
  );
}
