// Objects of Open vSwitch as words for ovs-vsctl and lines for ovs-ofctl. Values that others chose are quoted as
// OVSDB's strings are.

import type { OvsBridge, OvsFlow, OvsFlows, OvsPort, OvsTunnel, PlanObject } from "../plan.ts";
import { reservedVlan } from "./tables.ts";

export type OvsObject = OvsBridge | OvsPort | OvsFlows;

/** Key in external_ids: "bridge" for bridges that podwire made, the attachment's name for ports. */
export const ownerKey = "podwire";
export const ownBridge = "bridge";

/** All of podwire's flows, and nobody else's, have cookies that begin so ("pw"). */
export const ownCookies = {
  prefix: "0x7077",
  all: "0x7077000000000000/0xffff000000000000",
  /** What all pods of a bridge need. */
  base: "0x7077000000000000",
  overlay: "0x7077000000000001",
  /** What the pods of a bridge need that have the VLAN in their trunk. */
  trunk: (vlan: number) => `0x707700000001${vlan.toString(16).padStart(4, "0")}`,
};

/** The VLAN of a cookie that is a trunk's. */
export function trunkVlanOf(cookie: string): number | undefined {
  const vlan = /^0x707700000001([0-9a-f]{4})$/.exec(cookie)?.[1];
  return vlan === undefined ? undefined : Number.parseInt(vlan, 16);
}

export function isOvsObject(object: PlanObject): object is OvsObject {
  return object.kind === "ovs-bridge" || object.kind === "ovs-port" || object.kind === "ovs-flows";
}

/**
 * Of a bridge's local port. Open vSwitch would give it the least of all ports, and drop larger packets of other pods to
 * the host without a word. Routes have pods' own.
 */
const localMtu = 65000;

/** Fails if there is a bridge of this name. */
export function bridgeWords({ bridge, datapathType, mac }: OvsBridge): string[][] {
  const settings = [
    `datapath_type=${datapathType}`,
    "fail_mode=secure",
    `other_config:hwaddr=${quoted(mac)}`,
    `external_ids:${ownerKey}=${ownBridge}`,
  ];
  return [
    ["add-br", bridge],
    ["set", "Bridge", bridge, ...settings],
    ["set", "Interface", bridge, `mtu_request=${localMtu}`],
  ];
}

/**
 * A trunk of the pod's VLANs, or of the one in which no frame can be, so that NORMAL (of others' flows, or where podwire's are
 * lost) switches no untagged frame to or from the port. A trunk without any VLAN would have all.
 */
export const portVlanMode = "trunk";

export function trunksOf({ trunk }: Pick<OvsPort, "trunk">): readonly number[] {
  return trunk.length === 0 ? [reservedVlan] : trunk;
}

/** On a bridge of others a pod could else become the root of their tree, and had to wait half a minute to be heard. */
export const spanningTree = { "rstp-enable": "false", "stp-enable": "false" };

export function portWords(port: OvsPort, ports: "new" | "any"): string[][] {
  const { bridge, name, type, ingress, externalIds } = port;
  const ids = Object.entries(externalIds).map(([key, value]) => `external_ids:${key}=${quoted(value)}`);
  // What a new row has by itself somebody may have changed in one that exists.
  const byDefault = (...words: string[]) => (ports === "any" ? words : []);
  const policing =
    ingress === undefined
      ? byDefault("ingress_policing_rate=0", "ingress_policing_burst=0")
      : [`ingress_policing_rate=${ingress.rate}`, `ingress_policing_burst=${ingress.burst}`];
  const vlans = [`vlan_mode=${portVlanMode}`, `trunks=${trunksOf(port).join(",")}`, ...byDefault("tag=[]")];
  const tree = Object.entries(spanningTree).map(([key, value]) => `other_config:${key}=${value}`);
  const device = type.kind === "system" ? byDefault("type=system") : deviceWords(type);
  return [
    [...(ports === "any" ? ["--may-exist"] : []), "add-port", bridge, name],
    ["set", "Port", name, ...vlans, ...tree],
    ["set", "Interface", name, ...device, ...policing, ...ids],
  ];
}

function deviceWords(type: Exclude<OvsPort["type"], { kind: "system" }>): string[] {
  if (type.kind === "internal") {
    return ["type=internal", `mac=${quoted(type.mac)}`, `mtu_request=${type.mtu}`];
  }
  const options = Object.entries(tunnelOptions(type)).map(([key, value]) => `${key}=${quoted(value)}`);
  return [`type=${type.kind}`, `options={${options.join(",")}}`];
}

/** Too large a packet is told so before (see the overlay's flows), or else is fragmented. */
export function tunnelOptions({ port, local, checksum, tos, ttl }: OvsTunnel): Record<string, string> {
  return {
    csum: String(checksum),
    df_default: "false",
    dst_port: String(port),
    key: "flow",
    local_ip: local,
    remote_ip: "flow",
    ...(tos === undefined ? {} : { tos: String(tos) }),
    ...(ttl === undefined ? {} : { ttl: String(ttl) }),
  };
}

export function removingPortWords(name: string): string[] {
  return ["--if-exists", "del-port", name];
}

/** Makes the flows with this cookie these and no others. */
export function flowLines({ cookie, flows }: OvsFlows): string[] {
  return [removingFlowsLine(cookie), ...flows.map((flow) => addingFlowLine(cookie, flow))];
}

/** What makes the flows with a cookie the wanted ones. */
export interface FlowChange {
  readonly wanted: OvsFlows;
  readonly lines: readonly string[];
}

/** From flows that are known to be there: those that stay are not touched, nor are the packets in them. */
export function flowChange(present: Iterable<OvsFlow>, wanted: OvsFlows): FlowChange {
  const { cookie } = wanted;
  const [old, now] = [byKey(present), byKey(wanted.flows)];
  const lines = [
    ...[...old].flatMap(([key, flow]) =>
      now.has(key) ? [] : [`delete_strict ${matchWords(`${cookie}/-1`, flow)}`],
    ),
    ...[...now].flatMap(([key, flow]) => (old.has(key) ? [] : [addingFlowLine(cookie, flow)])),
  ];
  return { wanted, lines };
}

function addingFlowLine(cookie: string, flow: OvsFlow): string {
  return `add ${matchWords(cookie, flow)},actions=${flow.actions}`;
}

function matchWords(cookie: string, { table, priority, match }: OvsFlow): string {
  return `cookie=${cookie},table=${table},priority=${priority}${match === "" ? "" : `,${match}`}`;
}

function byKey(flows: Iterable<OvsFlow>): Map<string, OvsFlow> {
  return new Map(Array.from(flows, (flow) => [flowKey(flow), flow]));
}

export function removingFlowsLine(cookie: string): string {
  return `delete cookie=${cookie}/-1`;
}

/** A flow in a form in which two that are the same are equal: Open vSwitch has an order of fields of its own. */
export function flowKey({ table, priority, match, actions }: OvsFlow): string {
  const fields = match.split(",").filter((field) => field !== "");
  return `table=${table},priority=${priority},${fields.sort().join(",")} actions=${actions}`;
}

/** " cookie=0x1, table=10, priority=200,ip,nw_dst=10.1.0.2 actions=drop", as `ovs-ofctl --no-stats dump-flows` prints it. */
export function parseFlow(line: string): { cookie: string; flow: OvsFlow } | undefined {
  const match = /^\s*cookie=(0x[0-9a-f]+),(?: table=([0-9]+),)? (.*?) ?actions=(.*)$/.exec(line);
  if (match === null) return undefined;
  const [, cookie = "", table = "0", rest = "", actions = ""] = match;
  const fields = rest.split(",").filter((field) => field !== "");
  const priority = fields.find((field) => field.startsWith("priority="))?.slice("priority=".length);
  return {
    cookie,
    flow: {
      table: Number(table),
      // OFP_DEFAULT_PRIORITY is not printed.
      priority: Number(priority ?? 32768),
      match: fields.filter((field) => !field.startsWith("priority=")).join(","),
      actions,
    },
  };
}

/** OVSDB takes a string in JSON's notation. */
function quoted(text: string): string {
  return JSON.stringify(text);
}
