// What of a host's links and routes is an overlay's.
import { peerRouteProtocol } from "./ip-lines.ts";
import type { ObservedLink, ObservedRoute } from "./observe.ts";

/** Of devices that podwire made. */
export const overlayAlias = "podwire:overlay";

export function isOwnRoute({ protocol }: ObservedRoute): boolean {
  return protocol === String(peerRouteProtocol);
}

/** RTN_UNREACHABLE (include/uapi/linux/rtnetlink.h). */
export function isUnreachable({ type }: ObservedRoute): boolean {
  return type === "7";
}

export function isMain({ table }: ObservedRoute): boolean {
  return table === undefined || table === "254";
}

/** Whether Open vSwitch made it, and takes it away. */
export function isOfSwitch(link: ObservedLink | undefined): boolean {
  return ["openvswitch", "tun"].includes(link?.linkinfo?.info_kind ?? "");
}
