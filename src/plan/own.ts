// What of a host's links and routes is podwire's, or Open vSwitch's for it.
import { peerRouteProtocol } from "./ip-lines.ts";
import type { ObservedLink, ObservedRoute } from "./observe.ts";

/** How names of podwire's links begin (the rest of pods' is in datapath/names.ts). */
export const ownLinks = "pw";

/** Of devices that podwire made. */
export const overlayAlias = "podwire:overlay";

export function isOwnRoute({ protocol }: ObservedRoute): boolean {
  return protocol === String(peerRouteProtocol);
}

/**
 * The kernel makes one route with several next hops of all IPv6 routes to a prefix with the same metric, whoever made them, and tells
 * the first one's protocol alone (rt6_fill_node in net/ipv6/route.c). A route of podwire's has one.
 */
export function isShared({ dst, nexthops = [] }: ObservedRoute): boolean {
  return dst.includes(":") && nexthops.length > 1;
}

/** Of include/uapi/linux/rtnetlink.h, those that lead nowhere. */
const deadEnds: Readonly<Record<string, string>> = {
  6: "blackhole",
  7: "unreachable",
  8: "prohibit",
  9: "throw",
};

/** As iproute2 calls it; undefined for a route that leads on. */
export function deadEndOf({ type }: ObservedRoute): string | undefined {
  return deadEnds[type ?? ""];
}

export function isUnreachable(route: ObservedRoute): boolean {
  return deadEndOf(route) === "unreachable";
}

export function isMain({ table }: ObservedRoute): boolean {
  return table === undefined || table === "254";
}

/** Whether links of this kind are Open vSwitch's: its ports in the kernel, or in userspace. */
export function isSwitchKind(kind: string | undefined): boolean {
  return kind === "openvswitch" || kind === "tun";
}

/** Whether Open vSwitch made it, and takes it away. */
export function isOfSwitch(link: ObservedLink | undefined): boolean {
  return isSwitchKind(link?.linkinfo?.info_kind);
}
