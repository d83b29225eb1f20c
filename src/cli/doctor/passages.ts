// Where in the host's netfilter a firewall meets the pods of a node, by their datapaths.
import { type Prefix, parsePrefix } from "../../address/ip.ts";
import { bridgeOf } from "../../attachment/ovs/switch.ts";
import type { AttachmentRecord } from "../../attachment/record.ts";
import { ipvlanOf, type NetworkConfig } from "../../config/network.ts";
import { slaveOf } from "../../datapath/apart.ts";
import { hostVlanName } from "../../datapath/names.ts";
import { ownLinks } from "../../plan/own.ts";
import { type IpvlanMode, sharedLinks } from "../../plan/plan.ts";
import { type Node, rangesOf, wiredRecords } from "./node.ts";

export interface Passage {
  readonly hook: "forward" | "input";
  /**
   * The host's links that pods' packets come by and go to; "*" at the end stands for whatever follows. None: they come by a link of the
   * node's own, and a rule can tell them by address alone.
   */
  readonly links: readonly string[];
  /** Pods' addresses; none if nobody here knows them. */
  readonly pods: readonly Prefix[];
}

/** One for each kind of pods: those of the networks, and those that were wired when these had another datapath. */
export function passagesOf(node: Node): Passage[] {
  // Without any network the default is meant.
  const networks = node.networks.length === 0 ? [{ hook: "forward", link: anyPair, pods: [] } as Way] : [];
  const ways = [
    ...networks,
    ...node.networks.flatMap(wayOfNetwork),
    ...wiredRecords(node).flatMap(wayOfRecord),
  ];
  const kinds = Map.groupBy(ways, ({ hook, link }) => `${hook} ${link ?? ""}`);
  return [...kinds.values()].flatMap((kind) => {
    const [first] = kind;
    if (first === undefined) return [];
    const { hook, link } = first;
    return { hook, links: link === undefined ? [] : [link], pods: kind.flatMap((way) => way.pods) };
  });
}

interface Way extends Pick<Passage, "hook" | "pods"> {
  /** Absent if packets come by a link of the node's own. */
  readonly link?: string;
}

/** Of hosts' ends of pairs. */
const anyPair = `${ownLinks}*`;

function wayOfNetwork(network: NetworkConfig): Way[] {
  const pods = rangesOf(network);
  if (network.datapath === "ipvlan") return wayOfSlaves(ipvlanOf(network).mode, pods);
  if (network.datapath !== "ovs") return [{ hook: "forward", link: anyPair, pods }];
  const { bridge } = bridgeOf(network);
  const vlan = network.ovs?.vlan ?? 0;
  return [{ hook: "forward", link: vlan === 0 ? bridge : hostVlanName(bridge, vlan), pods }];
}

function wayOfRecord({ datapath, plan, ips }: AttachmentRecord): Way[] {
  const pods = ips.flatMap(({ address }) => parsePrefix(address) ?? []);
  const slave = slaveOf(plan);
  if (slave !== undefined) return wayOfSlaves(slave.mode, pods);
  // The bridge's, or the VLAN's on it.
  const link = datapath === "ovs" ? sharedLinks(plan).at(-1)?.name : anyPair;
  return link === undefined ? [] : [{ hook: "forward", link, pods }];
}

function wayOfSlaves(mode: IpvlanMode, pods: readonly Prefix[]): Way[] {
  if (mode === "l3") return [];
  return [{ hook: mode === "l3s" ? "input" : "forward", pods }];
}

/** Whether a rule's `name` of a link, which may end with "*", means one of `links` or several of them. */
export function meansLink(name: string, links: readonly string[]): boolean {
  const isWithin = (one: string, other: string) =>
    other.endsWith("*") ? one.startsWith(other.slice(0, -1)) : one === other;
  return links.some((link) => isWithin(name, link) || isWithin(link, name));
}
