// Desired kernel state as data. Datapaths and overlays compute plans; apply, verify and remove are
// the only ones to turn them into changes or questions, so that ADD, rollback, CHECK, DEL, GC
// and `podwire status` can never disagree.
import type { Where } from "../linux/kernel.ts";
import type { BridgeName } from "../linux/ovs/ovs.ts";

export type { Where } from "../linux/kernel.ts";
export type { BridgeName } from "../linux/ovs/ovs.ts";

/** Objects in the order in which they are made; they are removed in the reverse order. */
export type Plan = readonly PlanObject[];

/** An attachment's, which `apply` makes. An overlay's is reconciled with the whole host (reconcile.ts). */
export type PodPlan = readonly PodObject[];

export type PlanObject = PodObject | PeerSets | SttSettings;

export type PodObject =
  | Link
  | Address
  | Route
  | Neighbour
  | Sysctl
  | Masquerade
  | OvsBridge
  | OvsPort
  | OvsFlows;

export const podObjectKinds: Readonly<Record<PodObject["kind"], true>> = {
  link: true,
  address: true,
  route: true,
  neighbour: true,
  sysctl: true,
  masquerade: true,
  "ovs-bridge": true,
  "ovs-port": true,
  "ovs-flows": true,
};

export interface Link {
  readonly kind: "link";
  readonly where: Where;
  readonly name: string;
  /** A second name, by which the kernel and iproute2 find it too (`ip link property`). */
  readonly altName?: string;
  /** Absent: whatever it has. */
  readonly mac?: string | undefined;
  readonly mtu?: number | undefined;
  /** Kept by the kernel for people and for GC: says whose link this is. */
  readonly alias?: string;
  /** No address of the kernel's own making (IPv6 link-local). */
  readonly noAutomaticAddress?: boolean;
  /** Many attachments use it: made by the first and kept while one of them is left. */
  readonly shared?: boolean;
  readonly type: VethEnd | Ipvlan | OvsLink | Vlan | Tunnel;
}

/** A pair is made by its first end in the plan, which must be on the host; the other end comes with it. */
export interface VethEnd {
  readonly kind: "veth";
  readonly peer: { readonly name: string; readonly mac: string; readonly mtu: number; readonly where: Where };
  readonly makesPair: boolean;
}

export const ipvlanModes = ["l2", "l3", "l3s"] as const;
export const ipvlanFlags = ["bridge", "private", "vepa"] as const;
export type IpvlanMode = (typeof ipvlanModes)[number];
export type IpvlanFlag = (typeof ipvlanFlags)[number];

/**
 * A slave of a link of the host. One for a pod is two links of a plan: one on the host that is made and moved to
 * the pod at once, and the pod's, which is what it then is (Documentation/networking/ipvlan.rst).
 */
export interface Ipvlan {
  readonly kind: "ipvlan";
  readonly master: string;
  /** Both are properties of the master: all its slaves have the same. */
  readonly mode: IpvlanMode;
  readonly flag: IpvlanFlag;
  /** Name in the pod of a link that is made to be moved there. */
  readonly movesToPodAs?: string;
}

/**
 * A link that Open vSwitch makes: a bridge's local port, or an internal port, which is two links of a plan like an
 * ipvlan slave. The kernel knows them as openvswitch or, of a bridge in userspace, as tun.
 */
export interface OvsLink {
  readonly kind: "ovs";
  readonly bridge: BridgeName;
  readonly movesToPodAs?: string;
}

/** One VLAN of a link of the host (IEEE 802.1Q). */
export interface Vlan {
  readonly kind: "vlan";
  readonly master: string;
  readonly id: number;
}

/** An overlay's device for all of its peers: where a packet goes is said by the route that it takes (Encap). */
export interface Tunnel {
  readonly kind: "tunnel";
  readonly driver: "vxlan" | "geneve" | "stt";
  /** UDP port on every node; of stt a TCP port. */
  readonly port: number;
  /** First and last source port; absent: the kernel's choice. */
  readonly sourcePorts?: readonly [number, number];
  /** It has to take packets without checksums over IPv6. All are made so, but one of an earlier podwire may not be. */
  readonly takesUnchecked?: true;
}

export interface Address {
  readonly kind: "address";
  readonly where: Where;
  readonly link: string;
  /** With prefix length. IPv6 addresses are usable at once: no duplicate address detection. */
  readonly address: string;
  /**
   * Of IPv6: the kernel may tell neighbours of it (ndisc_notify), which it does not of one that is given as not to be detected
   * (addrconf_dad_begin in net/ipv6/addrconf.c); accept_dad has to be 0 then, the link's and that of all.
   */
  readonly announced?: boolean;
  /** "host": never chosen as a source address, not even on its own link. */
  readonly scope?: "host";
}

export interface Route {
  readonly kind: "route";
  readonly where: Where;
  readonly link: string;
  /** Prefix with its network address. */
  readonly dst: string;
  readonly gateway?: string;
  /** Preferred source address. */
  readonly source?: string;
  readonly mtu?: number;
  /** Of IPv6: the kernel does not change it with that of its link (rt6_mtu_change_route() in net/ipv6/route.c). Of IPv4 it never does. */
  readonly mtuLocked?: true;
  readonly advmss?: number;
  readonly priority?: number;
  readonly table?: number;
  readonly scope?: number;
  /** rtm_protocol; absent: that of pods' routes. */
  readonly protocol?: number;
  readonly encap?: Encap;
  /** Leads nowhere (RTN_UNREACHABLE): the sender is told so. `link` is what the kernel says of one: none for IPv4, lo for IPv6. */
  readonly isDeadEnd?: true;
}

/** What a tunnel's device puts around packets that take this route. */
export interface Encap {
  /** VNI. */
  readonly id: number;
  /** Of the outer header. A node can have several addresses, and its peers take packets from the one that they know. */
  readonly local: string;
  readonly remote: string;
  /** Checksums in the outer UDP header. */
  readonly checksum: boolean;
  readonly tos?: number;
  readonly ttl?: number;
}

export interface Neighbour {
  readonly kind: "neighbour";
  readonly where: Where;
  readonly link: string;
  readonly address: string;
  readonly mac: string;
}

export interface Sysctl {
  readonly kind: "sysctl";
  readonly where: Where;
  /** Path below /proc/sys. */
  readonly key: string;
  readonly value: string;
  /** Overwritten by whoever writes the setting for all links (conf/all): a repair puts it back, CHECK does not complain. */
  readonly yielding?: true;
}

/** Source NAT for traffic that leaves the network, by nftables. */
export interface Masquerade {
  readonly kind: "masquerade";
  readonly where: "host";
  readonly network: string;
  /** Addresses that are masqueraded: this attachment's. */
  readonly sources: readonly string[];
  /** Prefixes reached without: the network's own. */
  readonly direct: readonly string[];
  /** Links by which pods answer each other past the host, which therefore masquerades what it sent there by DNAT. */
  readonly shortcuts?: readonly string[];
  /** The source on a link without an address of its own, where masquerade would take any other link's. */
  readonly hairpin?: Hairpin;
}

export interface Hairpin {
  readonly link: string;
  /** At most one address of each family. */
  readonly sources: readonly string[];
}

/** Made if there is none of this name; nobody else's is changed. Its local port is a link of the host of the same name. */
export interface OvsBridge extends BridgeName {
  readonly kind: "ovs-bridge";
  readonly where: "host";
  readonly datapathType: OvsDatapathType;
  /** Of the local port. */
  readonly mac: string;
  /** Others made it, and only they can make it again. */
  readonly foreign?: true;
}

export const ovsDatapathTypes = ["system", "netdev"] as const;
export type OvsDatapathType = (typeof ovsDatapathTypes)[number];

export interface OvsPort extends BridgeName {
  readonly kind: "ovs-port";
  readonly where: "host";
  readonly name: string;
  /** "internal": Open vSwitch makes the link, with this MAC and MTU; "system": it is there. */
  readonly type:
    | { readonly kind: "internal"; readonly mac: string; readonly mtu: number }
    | { readonly kind: "system" }
    | OvsTunnel;
  /** VLANs whose tagged frames the pod sends and gets. */
  readonly trunk: readonly number[];
  /** What the pod may send, in kbit/s and kbit. */
  readonly ingress?: { readonly rate: number; readonly burst: number };
  readonly externalIds: Readonly<Record<string, string>>;
}

/** To all peers: flows say where a packet goes. */
export interface OvsTunnel {
  readonly kind: Exclude<Tunnel["driver"], "stt">;
  /** UDP port on every node. */
  readonly port: number;
  /** Of the outer header, as with Encap; what comes to another address is not taken. */
  readonly local: string;
  /** Checksums in the outer UDP header. */
  readonly checksum: boolean;
  readonly tos?: number;
  readonly ttl?: number;
}

export interface OvsFlows extends BridgeName {
  readonly kind: "ovs-flows";
  readonly where: "host";
  /** All flows with it are these: 64 bits in hexadecimal. */
  readonly cookie: string;
  readonly shared?: boolean;
  readonly flows: readonly OvsFlow[];
}

/** In Open vSwitch's own notation (ovs-fields(7), ovs-actions(7)). */
export interface OvsFlow {
  readonly table: number;
  readonly priority: number;
  readonly match: string;
  readonly actions: string;
  /** Address of the node that its actions wrap packets to. */
  readonly remote?: string;
}

/** Whether the link is made on the host to be the pod's. */
export function movesToPod({ type }: Link): boolean {
  return "movesToPodAs" in type && type.movesToPodAs !== undefined;
}

/** Those that stay on the host. */
export function hostLinksOf(plan: Plan): Link[] {
  return plan
    .filter((object) => object.kind === "link")
    .filter((link) => link.where === "host" && !movesToPod(link));
}

/** What nftables has to know of an overlay's peers. One for a node. */
export interface PeerSets {
  readonly kind: "peer-sets";
  readonly where: "host";
  /** Pods' prefixes on other nodes: reached without masquerading. */
  readonly prefixes: readonly string[];
  /** Tunnel packets are accepted from these addresses and with this VNI only; absent: no filter. */
  readonly filter?: { readonly port: number; readonly id: number; readonly addresses: readonly string[] };
}

/** What of the host's netfilter sees the segments that are sent. */
export const sttOutputs = ["full", "notrack", "none"] as const;
export type SttOutput = (typeof sttOutputs)[number];

/** What of a device of the module podwire_stt iproute2 has no words for. It makes the device; the rest of it is a Link. */
export interface SttSettings {
  readonly kind: "stt-settings";
  readonly where: "host";
  readonly link: string;
  readonly port: number;
  readonly output: SttOutput;
  /** Prefixes that may send to this node; absent: anybody may. */
  readonly peers?: readonly string[];
}

export function sharedLinks(plan: Plan): Link[] {
  return plan.filter((object) => object.kind === "link").filter(({ shared }) => shared);
}

/** How people and errors name an object. */
export function describeObject(object: PlanObject): string {
  const where = object.where === "host" ? "on the host" : "in the pod";
  switch (object.kind) {
    case "link":
      return `link ${object.name} ${where}`;
    case "address":
      return `address ${object.address} of ${object.link} ${where}`;
    case "route": {
      if (object.isDeadEnd) return `unreachable route ${object.dst} ${where}`;
      const via = object.gateway === undefined ? "" : ` via ${object.gateway}`;
      const table = object.table === undefined ? "" : ` table ${object.table}`;
      return `route ${object.dst}${via} dev ${object.link}${table} ${where}`;
    }
    case "neighbour":
      return `neighbour ${object.address} of ${object.link} ${where}`;
    case "sysctl":
      return `sysctl ${object.key} ${where}`;
    case "ovs-bridge":
      return `bridge ${object.bridge} of Open vSwitch`;
    case "ovs-port":
      return `port ${object.name} of bridge ${object.bridge}`;
    case "ovs-flows":
      return `flows ${object.cookie} of bridge ${object.bridge}`;
    case "masquerade":
      return `masquerading of ${object.sources.join(", ")} ${where}`;
    case "peer-sets":
      return `nftables sets of peers ${where}`;
    case "stt-settings":
      return `port, output and peers of ${object.link} ${where}`;
  }
}
