// What a datapath is: a pure function from an attachment's wishes to a plan and the result a runtime sees.
// A new datapath is one file and one line in registry.ts.
import type { Interface, IpConfig, Route } from "../cni/result.ts";
import type { OverlayHost } from "../overlay/overlay.ts";
import type { BridgeInUse } from "../plan/ovs/bridge.ts";
import type { BridgeName, IpvlanFlag, IpvlanMode, PodPlan } from "../plan/plan.ts";

/** Names one interface of one container in one network; everything derives from it. */
export interface AttachmentName {
  readonly network: string;
  readonly containerID: string;
  readonly ifname: string;
}

export interface Wiring extends AttachmentName {
  /** Path of the pod's netns, for the result. */
  readonly sandbox: string;
  /** Requested MAC of the pod's interface; else one is derived from the attachment's name. */
  readonly mac?: string;
  readonly mtu: number;
  /** As the IPAM gave them, with the prefix length of their subnet. */
  readonly ips: readonly IpConfig[];
  readonly routes: readonly Route[];
  readonly ipMasq: boolean;
  readonly host: HostFacts;
  /** Only for the datapath of the same name. */
  readonly ipvlan?: IpvlanSettings;
  readonly ovs?: OvsSettings;
}

/** What plans depend on and only the host can tell. */
export interface HostFacts extends OverlayHost {
  /** New links start with IPv6 off (net.ipv6.conf.default.disable_ipv6). */
  readonly ipv6OffByDefault: boolean;
}

export interface IpvlanSettings {
  readonly master: Master;
  readonly mode: IpvlanMode;
  readonly flag: IpvlanFlag;
}

/** The link of the host that pods' interfaces are slaves of. */
export interface Master {
  readonly name: string;
  readonly mac: string;
  readonly mtu: number;
  /** Its own global addresses, the preferred one of each family first. */
  readonly addresses: readonly string[];
}

export interface OvsSettings extends BridgeInUse {
  /** "internal": Open vSwitch makes the pod's link; "veth": the bridge has one end of a pair. */
  readonly portType: OvsPortType;
  /** Whether pods may send from their own addresses alone. */
  readonly antiSpoofing: boolean;
  /** 0: none. */
  readonly vlan: number;
  readonly trunk: readonly number[];
  readonly ingress?: { readonly rate: number; readonly burst: number };
  /** The host's link to the overlay's tunnel, if that is a port of the bridge: what comes by it is handed to pods past the host. */
  readonly tunnel?: string;
  /** Told to whoever looks at the port: the pod's name, the port that OVN binds. */
  readonly labels: Readonly<Record<string, string>>;
}

export const ovsPortTypes = ["veth", "internal"] as const;
export type OvsPortType = (typeof ovsPortTypes)[number];

export interface Wired {
  readonly plan: PodPlan;
  /** The pod's own interface is the last. */
  readonly interfaces: readonly Interface[];
  /** `interface` indexes into `interfaces`. */
  readonly ips: readonly IpConfig[];
  readonly routes: readonly Route[];
}

export interface Datapath {
  /** Throws code 7 for what this datapath cannot do. */
  wire(wiring: Wiring): Wired;
  /** What to remove when only the attachment's name is known, and the bridge that it is on: flows go from that one alone. */
  traces(name: AttachmentName, bridge: BridgeName): PodPlan;
}
