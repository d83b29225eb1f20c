// A route to the pods of another node.
import { peerRouteProtocol } from "../plan/ip-lines.ts";
import type { Route } from "../plan/plan.ts";

export function peerRoute(route: Pick<Route, "link" | "dst" | "gateway" | "encap">): Route {
  return {
    kind: "route",
    where: "host",
    protocol: peerRouteProtocol,
    ...route,
    ...(route.dst.includes(":") ? {} : { priority: spreadPriority(route.dst) }),
  };
}

/**
 * The kernel finds IPv4 next hops by protocol, metric and device (fib_info_hashfn in net/ipv4/fib_semantics.c): 5,000 with one
 * metric are one long list, which takes 2 s to build instead of 0.15. A prefix has one route, so its metric says
 * nothing else.
 */
function spreadPriority(dst: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < dst.length; index++) hash = Math.imul(hash ^ dst.charCodeAt(index), 0x01000193);
  return 1 + ((hash >>> 0) % 4096);
}
