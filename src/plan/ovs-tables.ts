// The tables of a bridge in which podwire has flows: what may come in by which port, where packets go, whether one is too
// large for the way to another node, and what a pod may say in the VLANs of its trunk.
import type { OvsFlow } from "./plan.ts";

/**
 * On a bridge that others use too, admission is their first table as well. The others are ours alone: OVN and Neutron's agent
 * count from 0 to a hundred, and what they sent through ours would go to the host.
 */
const tables = { admission: 0, delivery: 241, size: 242, trunk: 243 };

export const toDelivery = `resubmit(,${tables.delivery})`;
export const toSize = `resubmit(,${tables.size})`;
export const toTrunk = `resubmit(,${tables.trunk})`;
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

/** To the host itself, by the bridge's local port. */
export function toHost(localMac: string): string {
  return `set_field:${localMac}->eth_dst,LOCAL`;
}
