// The tables of a bridge in which podwire has flows: what may come in by which port, where packets go, whether one is too
// large for the way to another node, what a pod may say in the VLANs of its trunk, and whether a packet is too large for a pod.
import type { OvsFlow } from "../plan.ts";

/**
 * On a bridge that others use too, admission is their first table as well. The others are ours alone: OVN and Neutron's agent
 * count from 0 to a hundred, and what they sent through ours would go to the host.
 */
const tables = { admission: 0, delivery: 241, size: 242, trunk: 243, handover: 244 };

export const toDelivery = `resubmit(,${tables.delivery})`;
export const toSize = `resubmit(,${tables.size})`;
export const toHandover = `resubmit(,${tables.handover})`;
export const toTrunk = `resubmit(,${tables.trunk})`;
/** No frame can be in it (IEEE 802.1Q), but Open vSwitch takes it for one as any other. */
export const reservedVlan = 4095;
export const untagged = "vlan_tci=0x0000/0x1fff";

export function admission(priority: number, match: string, actions: string): OvsFlow {
  return { table: tables.admission, priority, match, actions };
}

export function delivery(priority: number, match: string, actions: string): OvsFlow {
  return { table: tables.delivery, priority, match, actions };
}

export function size(priority: number, match: string, actions: string): OvsFlow {
  return { table: tables.size, priority, match, actions };
}

export function trunk(priority: number, match: string, actions: string): OvsFlow {
  return { table: tables.trunk, priority, match, actions };
}

export function handover(priority: number, match: string, actions: string): OvsFlow {
  return { table: tables.handover, priority, match, actions };
}

const ethernetHeader = 14;

/** Sets the lowest bit of register 0 for a packet without a VLAN's tag that is larger than `mtu` behind its Ethernet header. */
export function measure(mtu: number): string {
  return `check_pkt_larger(${mtu + ethernetHeader})->NXM_NX_REG0[0]`;
}

/**
 * What the host handles: packets that are too large, and with large fragments the small ones, because it puts them together
 * to track connections.
 */
export const asideMatches = ["reg0=0x1/0x1", "ip,nw_frag=yes", "ipv6,nw_frag=yes"];

/** What is from or to an address, or a prefix. `others`: matches that Open vSwitch prints in between. */
export function ipMatch(ip: string, side: "src" | "dst", ...others: readonly string[]): string {
  const [protocol, field] = ip.includes(":") ? ["ipv6", `ipv6_${side}`] : ["ip", `nw_${side}`];
  return [protocol, ...others, `${field}=${ip}`].join(",");
}

/** To the host itself, by the bridge's local port. */
export function toHost(localMac: string): string {
  return `set_field:${localMac}->eth_dst,LOCAL`;
}
