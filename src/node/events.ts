// Tells when the node's state may have left the plan: by what `ip monitor`, `nft monitor` and `ovs-ofctl monitor` say of the
// overlay's links, addresses, routes, neighbours, settings, sets and flows. A node wires pods all the time, and what is said of
// those is passed over.

import { holderAmong } from "../address/holder.ts";
import { parsePrefix, withLength } from "../address/ip.ts";
import { talkOfFlows } from "../linux/flow-talk.ts";
import type { Kernel } from "../linux/kernel.ts";
import { isSameBridge, isSwitchTunnel } from "../linux/ovs/ovs.ts";
import { type Talker, talk } from "../linux/talk.ts";
import { overlayDevices } from "../overlay/registry.ts";
import { remembered } from "../overlay/remembered.ts";
import { peerRouteProtocol, routeProtocol } from "../plan/ip-lines.ts";
import { ownCookies } from "../plan/ovs/lines.ts";
import type { BridgeName } from "../plan/plan.ts";

export interface Events {
  /** The link to the other nodes. */
  underlay: string | undefined;
  /** By which they know this node. It may be on another link. */
  local: string | undefined;
  /** Of peers' pods. */
  prefixes: readonly string[];
  /** Listens to the bridge's flows, which first says what is there. Nothing is said of it while ovs-vswitchd does not run. */
  followBridge(bridge: BridgeName | undefined): void;
  stop(): void;
}

const ipWords = ["-oneline", "monitor", "label", "link", "address", "route", "neigh", "netconf"];
/** A monitor that ended may have missed something meanwhile. */
const restartMs = 1000;

export function listen(kernel: Pick<Kernel, "searchPath">, happened: () => void): Events {
  const talkers = new Map<string, Talker>();
  let bridgeLink: string | undefined;
  let flows: { readonly of: BridgeName; readonly talker: Talker } | undefined;
  let isStopped = false;
  const events: Events = {
    underlay: undefined,
    local: undefined,
    prefixes: [],
    followBridge: (bridge) => {
      bridgeLink = bridge?.bridge;
      if (flows !== undefined && bridge !== undefined && isSameBridge(flows.of, bridge)) return;
      flows?.talker.stop();
      flows = undefined;
      if (bridge === undefined) return;
      const talker = talkOfFlows(bridge, kernel, (line) => {
        if (isOfOverlayFlows(line)) happened();
      });
      const followed = { of: bridge, talker };
      flows = followed;
      void talker.ended.then(() => {
        if (flows === followed) flows = undefined;
      });
    },
    stop: () => {
      isStopped = true;
      for (const talker of talkers.values()) talker.stop();
      flows?.talker.stop();
    },
  };
  type Begin = (name: "ip" | "nft", words: readonly string[], counts: (line: string) => boolean) => void;
  const begin: Begin = (name, words, counts) => {
    const talker = talk(name, words, kernel, (line) => {
      if (counts(line) || isLoss(line)) happened();
      if (forgetsSets(line)) talker.stop();
    });
    talkers.set(name, talker);
    void talker.ended.then(() => beginAgain(name, words, counts));
  };
  const beginAgain: Begin = (...monitor) => {
    setTimeout(() => {
      if (isStopped) return;
      try {
        begin(...monitor);
        happened();
      } catch {
        // The program is away, as while its package is replaced.
        beginAgain(...monitor);
      }
    }, restartMs).unref();
  };
  begin("ip", ipWords, (line) => isOfOverlay(line, { ...events, bridge: bridgeLink }));
  begin("nft", ["monitor"], isOfPeerSets);
  return events;
}

const words = /[^\s:@\\]+/g;

/** What monitors say when the kernel had more to tell than they could take (ENOBUFS); they go on. */
export function isLoss(line: string): boolean {
  return /netlink receive error|^# ERROR: /.test(line);
}

/**
 * With a rule nft forgets the sets that it refers to, and tells of their elements no more (netlink_events_cache_delsets in
 * src/monitor.c of nftables): another monitor knows them.
 */
function forgetsSets(line: string): boolean {
  return /^delete rule inet podwire /.test(line.trim());
}

/** Whose harm is the overlay's. */
export interface Heeded extends Pick<Events, "underlay" | "local" | "prefixes"> {
  readonly bridge: string | undefined;
}

/** "[ROUTE]Deleted 10.244.2.0/24 via 192.0.2.2 dev eth0 proto 120" */
export function isOfOverlay(line: string, { underlay, local, prefixes, bridge }: Heeded): boolean {
  if (line.includes(` proto ${peerRouteProtocol} `)) return true;
  // Pods' routes, which are on the bridge too.
  if (line.includes(` proto ${routeProtocol} `)) return false;
  const named = namesIn(line);
  if (overlayDevices.some((device) => named.includes(device)) || named.some(isSwitchTunnel)) return true;
  // Neighbours of the underlay come and go.
  if (line.startsWith("[NEIGH]")) return false;
  if (line.startsWith("[NETCONF]") && named.includes("all")) return true;
  if (named.includes("default") || (underlay !== undefined && named.includes(underlay))) return true;
  if (line.startsWith("[ROUTE]")) return isToPeers(line, prefixes);
  if (local !== undefined && line.startsWith("[ADDR]") && line.includes(` ${local}/`)) return true;
  // Pods' addresses and routes are on it.
  return bridge !== undefined && /^\[(LINK|ADDR)\]/.test(line) && named.includes(bridge);
}

const holderOf = remembered(holderAmong);

/** Others' routes to peers' pods name no link of the overlay: "[ROUTE]Deleted blackhole 10.244.3.0/24". */
function isToPeers(line: string, prefixes: readonly string[]): boolean {
  const words = line.slice("[ROUTE]".length).split(" ", 3);
  const [destination] = words.flatMap((word) => parsePrefix(withLength(word)) ?? []);
  return destination !== undefined && holderOf(prefixes)(destination) !== undefined;
}

/** Of a link only its own name, not what it stands on ("pw0123@eth0") or is a port of: those of pods come and go. */
function namesIn(line: string): readonly string[] {
  const link = /^\[LINK\](?:Deleted )?[0-9]+: ([^\s:@]+)/.exec(line)?.[1];
  return link === undefined ? (line.replace(/^\[[A-Z]+\]/, "").match(words) ?? []) : [link];
}

export function isOfPeerSets(line: string): boolean {
  return /\binet podwire$|\binet podwire (tunnels|peers)/.test(line.trim());
}

/** " event=DELETED reason=delete table=4 cookie=0x7077000000000001 ip,nw_dst=10.244.2.0/24", at the end if all packets match. */
export function isOfOverlayFlows(line: string): boolean {
  return `${line} `.includes(` cookie=${ownCookies.overlay} `);
}
