// Reads from the kernel what a plan's objects can be compared with: one `ip -json` per netns, one nft
// listing, one look at each setting.
import { ipAsk } from "../linux/ip.ts";
import type { Kernel } from "../linux/kernel.ts";
import type { ShownAddress } from "../linux/shown-address.ts";
import { readHostSysctl, readPodSysctls } from "../linux/sysctl.ts";
import { isIpObject, linkOf } from "./ip-lines.ts";
import { type MasqueradeReader, readMasquerades } from "./masquerade.ts";
import { type ObservedOvs, readOvs } from "./ovs/observe.ts";
import type { PeerSetsState } from "./peer-sets.ts";
import type { PodPlan, Where } from "./plan.ts";
import type { SttStates } from "./stt.ts";

export interface ObservedLink {
  readonly ifname: string;
  readonly ifindex: number;
  readonly ifalias?: string | undefined;
  readonly altnames?: readonly string[];
  /** Name of the link that it stands on, if that is in the same netns, and its index in any case. */
  readonly link?: string;
  readonly link_index?: number;
  readonly address: string;
  readonly mtu: number;
  readonly flags: readonly string[];
  readonly linkinfo?: {
    readonly info_kind?: string;
    readonly info_data?: IpvlanData & TunnelData;
  };
  readonly addr_info: readonly ShownAddress[];
}

/** Of vxlan and geneve. */
export interface TunnelData {
  readonly external?: boolean;
  readonly port?: number;
  readonly port_range?: { readonly low: number; readonly high: number };
  /** Absent in a kernel without IPv6. */
  readonly udp_zero_csum6_rx?: boolean;
}

/** iproute2 says {"mode":"l3s","bridge":true}. */
export type IpvlanData = { readonly mode?: string } & Readonly<Record<string, unknown>>;

export function describeIpvlan({ mode, ...flags }: IpvlanData = {}): { mode: string; flag: string } {
  return { mode: mode ?? "unknown", flag: Object.keys(flags).find((key) => flags[key] === true) ?? "bridge" };
}

/** Whether a slave stands on the link that has the name of its master now; of one in a pod the index alone tells. */
export function isOnMaster(slave: ObservedLink, name: string, master: ObservedLink | undefined): boolean {
  return slave.link === name || (master !== undefined && slave.link_index === master.ifindex);
}

export interface NextHop {
  readonly dev?: string;
  readonly gateway?: string;
  /** A gateway of the other family. */
  readonly via?: { readonly host: string };
}

/** A route with several next hops has none of its own. */
export interface ObservedRoute extends NextHop {
  readonly dst: string;
  readonly nexthops?: readonly NextHop[];
  /** "ip" or "ip6", with what follows; the keys of both addresses are renamed on reading (linux/ip.ts). */
  readonly encap?: string;
  readonly id?: number;
  /** "0.0.0.0" or "::" where the kernel chooses. */
  readonly encap_src?: string;
  readonly encap_dst?: string;
  readonly csum?: boolean;
  readonly tos?: number;
  readonly ttl?: number;
  readonly tc?: number;
  readonly hoplimit?: number;
  /** Absent in an answer that is limited to one. */
  readonly protocol?: string;
  /** The kernel's number; absent for a usual one. */
  readonly type?: string;
  readonly prefsrc?: string;
  /** Absent for the main table. */
  readonly table?: string;
  readonly scope: string;
  /** Router preference: IPv6 routes have one, IPv4 routes none. */
  readonly pref?: string;
  readonly metric?: number;
  readonly metrics?: readonly { readonly mtu?: number; readonly advmss?: number }[];
}

export interface ObservedNeighbour {
  readonly dst: string;
  readonly lladdr?: string;
  readonly state: readonly string[];
}

/** A link with what is on it; undefined if there is no such link. */
export interface Observed {
  link(where: Where, name: string): ObservedLink | undefined;
  routes(where: Where, link: string): readonly ObservedRoute[];
  neighbours(where: Where, link: string): readonly ObservedNeighbour[];
  sysctl(where: Where, key: string): string | undefined;
  readonly masquerade: MasqueradeReader;
  readonly ovs: ObservedOvs;
  /** Both are an overlay's, and read of the whole host alone (observe-host.ts). */
  readonly peerSets?: PeerSetsState;
  readonly stts?: SttStates;
}

interface LinkState {
  readonly link: ObservedLink;
  readonly routes: readonly ObservedRoute[];
  readonly neighbours: readonly ObservedNeighbour[];
}

/** Without a pod netns in `kernel` the pod's objects are seen as missing. */
export async function observe(plan: PodPlan, kernel: Kernel): Promise<Observed> {
  const [host, pod, podSysctls, masquerade, ovs] = await Promise.all([
    readLinks(plan, "host", kernel),
    kernel.pod === undefined ? new Map<string, LinkState>() : readLinks(plan, "pod", kernel),
    kernel.pod === undefined ? new Map<string, string | undefined>() : readPodKeys(plan, kernel),
    plan.some((object) => object.kind === "masquerade") ? readMasquerades(kernel) : noMasquerade,
    readOvs(plan, kernel),
  ]);
  const links = (where: Where) => (where === "host" ? host : pod);
  return {
    link: (where, name) => links(where).get(name)?.link,
    routes: (where, link) => links(where).get(link)?.routes ?? [],
    neighbours: (where, link) => links(where).get(link)?.neighbours ?? [],
    sysctl: (where, key) => (where === "host" ? readHostSysctl(key) : podSysctls.get(key)),
    masquerade,
    ovs,
  };
}

export const noMasquerade: MasqueradeReader = () => ({
  active: false,
  shortcuts: new Set(),
  hasHairpinSources: false,
  hairpinSources: () => [],
  sources: new Set(),
  direct: new Set(),
});

async function readLinks(plan: PodPlan, where: Where, kernel: Kernel): Promise<Map<string, LinkState>> {
  const objects = plan.filter(isIpObject).filter((object) => object.where === where);
  const names = [...new Set([...objects.map(linkOf), ...(where === "host" ? mastersIn(plan) : [])])];
  if (names.length === 0) return new Map();
  const questions = names.flatMap((name) => [
    `address show dev ${name}`,
    `route show table all dev ${name}`,
    `neighbour show dev ${name} nud permanent`,
  ]);
  const answers = await ipAsk(where, questions, kernel);
  const states = new Map<string, LinkState>();
  for (const [index, name] of names.entries()) {
    const [links, routes, neighbours] = answers.slice(3 * index);
    const link = links?.[0] as unknown as ObservedLink | undefined;
    if (link === undefined) continue;
    states.set(name, {
      link,
      routes: (routes ?? []) as unknown as ObservedRoute[],
      neighbours: (neighbours ?? []) as unknown as ObservedNeighbour[],
    });
  }
  return states;
}

/** A link in a pod tells its master only by an index of the host's. */
function mastersIn(plan: PodPlan): string[] {
  return plan.flatMap((object) =>
    object.kind === "link" && object.type.kind === "ipvlan" ? object.type.master : [],
  );
}

async function readPodKeys(plan: PodPlan, kernel: Kernel): Promise<Map<string, string | undefined>> {
  const keys = plan
    .filter((object) => object.kind === "sysctl")
    .filter((object) => object.where === "pod")
    .map((object) => object.key);
  const values = await readPodSysctls(keys, kernel);
  return new Map(keys.map((key, index) => [key, values[index]]));
}
