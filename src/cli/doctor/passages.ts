// Where in the host's netfilter a firewall meets the pods of a node, by their datapaths.
import type { Prefix } from "../../address/ip.ts";
import { bridgeOf } from "../../attachment/ovs-switch.ts";
import type { NetworkConfig } from "../../config/network.ts";
import { type Node, podPrefixes, rangesOf } from "./node.ts";

export interface Passage {
  readonly hook: "forward" | "input";
  /** The host's links that pods' packets come by and go to; "*" at the end stands for whatever follows. */
  readonly links: readonly string[];
  /** Pods' addresses. */
  readonly pods: readonly Prefix[];
  /** Of those the ones that a rule can tell by address alone: their packets come by a link of the node's own. */
  readonly linkless: readonly Prefix[];
}

export function passagesOf(node: Node): Passage[] {
  const { networks } = node;
  const received = networks.filter((network) => modeOf(network) === "l3s").flatMap(rangesOf);
  const forwarded = networks.filter((network) => !["l3", "l3s"].includes(modeOf(network) ?? ""));
  const linkless = forwarded.filter((network) => modeOf(network) !== undefined).flatMap(rangesOf);
  // Without any network the default is meant.
  const links = networks.length === 0 ? [anyPair] : forwarded.flatMap(linksOf);
  const passages: Passage[] = [];
  if (links.length > 0 || linkless.length > 0) {
    passages.push({ hook: "forward", links: [...new Set(links)], pods: podPrefixes(node), linkless });
  }
  if (received.length > 0) passages.push({ hook: "input", links: [], pods: received, linkless: received });
  return passages;
}

/** Of hosts' ends of pairs. */
const anyPair = "pw*";

function modeOf({ datapath, ipvlan }: NetworkConfig): string | undefined {
  return datapath === "ipvlan" ? (ipvlan?.mode ?? "l3s") : undefined;
}

function linksOf(network: NetworkConfig): string[] {
  if (network.datapath === "ipvlan") return [];
  if (network.datapath !== "ovs") return [anyPair];
  return [network.ovs?.vlan === undefined ? bridgeOf(network).bridge : "pwv*"];
}

/** Whether a rule's `name` of a link, which may end with "*", means one of `links` or several of them. */
export function meansLink(name: string, links: readonly string[]): boolean {
  const isWithin = (one: string, other: string) =>
    other.endsWith("*") ? one.startsWith(other.slice(0, -1)) : one === other;
  return links.some((link) => isWithin(name, link) || isWithin(link, name));
}
