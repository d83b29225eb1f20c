// What an overlay is: a pure function from the node's peers and a few facts about the host to a plan. A new type is
// one file and one line in registry.ts.
import type { Ip, Prefix } from "../address/ip.ts";
import type { OverlayConfig } from "../config/overlay.ts";
import type { BridgeInUse } from "../plan/ovs/bridge.ts";
import type { Plan } from "../plan/plan.ts";

export type OverlayType = Exclude<OverlayConfig["type"], "none">;

export type WantedOverlay = OverlayConfig & { readonly type: OverlayType };

export interface Peer {
  /** Name of the node. */
  readonly node: string;
  readonly address: Ip;
  /** In canonical form. */
  readonly addressText: string;
  /** Beside an IPv4 one. */
  readonly address6?: Ip;
  readonly address6Text?: string;
  readonly prefixes: readonly PodPrefix[];
  /** Whether the underlay's link reaches it without a router. */
  readonly onLink: boolean;
  /** The same of its `address6`; absent where the link has no IPv6 address, which nothing tells then. */
  readonly onLink6?: boolean;
}

/** A prefix of a peer's pods. */
export interface PodPrefix {
  /** With its network address, in canonical form. */
  readonly text: string;
  readonly prefix: Prefix;
}

/** The link to the other nodes. */
export interface Underlay {
  readonly link: string;
  readonly mtu: number;
  /** This node's address that peers know. */
  readonly local: Ip;
}

export interface OverlayRequest {
  readonly config: OverlayConfig;
  readonly underlay: Underlay;
  /** Prefixes of this node's own pods, as far as they are known. */
  readonly own: readonly Prefix[];
  readonly peers: readonly Peer[];
  readonly host: OverlayHost;
  /** Where pods are ports of one: it has the tunnels too. */
  readonly bridge?: BridgeInUse;
}

export interface OverlayHost {
  /** Whether the kernel has IPv6. */
  readonly ipv6: boolean;
  /** Links that would lose a default route of a router advertisement once IPv6 forwarding is on. */
  readonly advertisedLinks: readonly string[];
}

export interface OverlayPlan {
  readonly plan: Plan;
  /** What pods can send at once to other nodes. */
  readonly mtu: number;
}

export interface Overlay {
  /** Its device; absent where peers are reached by the underlay's link itself. */
  readonly device?: string;
  /** With datapath ovs it is a port of the pods' bridge. Open vSwitch knows no other tunnels: there the host's routes lead to the device. */
  readonly hasBridgePort?: boolean;
  /** Bytes of the headers around a packet. */
  overhead(underlay: 4 | 6): number;
  /** Throws code 7 for what this type cannot do. */
  plan(request: OverlayRequest): OverlayPlan;
}
