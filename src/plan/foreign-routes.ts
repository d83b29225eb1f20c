// Routes of others to where a plan's lead: they are never touched. What they are in the way of is not made; those to a part of it take
// packets elsewhere, which is said.
import { holderAmong } from "../address/holder.ts";
import { parsePrefix } from "../address/ip.ts";
import { routesOnward } from "./dead-end.ts";
import type { NextHop, ObservedRoute } from "./observe.ts";
import type { ObservedHost } from "./observe-host.ts";
import { deadEndOf, isMain, isOwnRoute, isShared } from "./own.ts";
import { describeObject, type Plan, type Route } from "./plan.ts";
import { destinationOf, routesByDestination } from "./routes-verify.ts";

export interface ForeignRoute {
  readonly wanted: Route;
  readonly found: ObservedRoute;
}

export function foreignRoutes(plan: Plan, host: ObservedHost): ForeignRoute[] {
  const routes = routesByDestination(host.allRoutes);
  // What has a dead end may have better routes.
  return routesOnward(plan).flatMap((wanted): ForeignRoute[] => {
    const found = routes
      .get(wanted.dst)
      ?.find((route) => isMain(route) && (!isOwnRoute(route) || isShared(route)));
    return found === undefined ? [] : [{ wanted, found }];
  });
}

/** Those to a part of where a plan's routes lead. */
export function strayRoutes(plan: Plan, host: ObservedHost): ForeignRoute[] {
  const routes = new Map(routesOnward(plan).map((route) => [route.dst, route]));
  const holderOf = holderAmong([...routes.keys()]);
  return host.allRoutes.flatMap((found): ForeignRoute[] => {
    if (isOwnRoute(found) || !isMain(found)) return [];
    const dst = destinationOf(found);
    const inner = parsePrefix(dst);
    const wanted = inner && routes.get(holderOf(inner) ?? "");
    return wanted === undefined || wanted.dst === dst ? [] : [{ wanted, found }];
  });
}

/** `node`: whose pods are meant. */
export function describeStray({ wanted, found }: ForeignRoute, node: string): string {
  return (
    `peer ${node}: packets to a part of ${wanted.dst} go astray by a route that is not podwire's: ${describeRoute(found)}; ` +
    "remove it, or take the prefix out of the peers"
  );
}

export function describeForeign({ wanted, found }: ForeignRoute): string {
  return (
    `${describeObject(wanted)}: a route that is not podwire's is in the way: ${describeRoute(found)}; ` +
    "remove it, or take the prefix out of the peers"
  );
}

/** As ip would be told it: "blackhole 10.244.2.0/24 proto 3". */
function describeRoute(route: ObservedRoute): string {
  const { dst, nexthops = [], protocol } = route;
  const deadEnd = deadEndOf(route);
  // The first one is podwire's, and has its protocol.
  const others = isOwnRoute(route) ? nexthops.slice(1) : nexthops;
  const words = [
    ...(deadEnd === undefined ? [] : [deadEnd]),
    dst,
    ...hopWords(route),
    ...others.flatMap((hop) => ["nexthop", ...hopWords(hop)]),
    ...(isOwnRoute(route) ? [] : [`proto ${protocol ?? "unknown"}`]),
  ];
  return words.join(" ");
}

export function hopWords({ gateway, via, dev }: NextHop): string[] {
  const next = via === undefined ? gateway : `inet6 ${via.host}`;
  return [...(next === undefined ? [] : [`via ${next}`]), ...(dev === undefined ? [] : [`dev ${dev}`])];
}
