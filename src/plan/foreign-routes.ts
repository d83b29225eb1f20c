// Routes of others to where a plan's lead: they are never touched, and what they are in the way of is not made.
import type { ObservedRoute } from "./observe.ts";
import type { ObservedHost } from "./observe-host.ts";
import { isMain, isOwnRoute } from "./own.ts";
import { describeObject, type Plan, type Route } from "./plan.ts";
import { routesByDestination } from "./verify.ts";

export interface ForeignRoute {
  readonly wanted: Route;
  readonly found: ObservedRoute;
}

export function foreignRoutes(plan: Plan, host: ObservedHost): ForeignRoute[] {
  const routes = routesByDestination(host.allRoutes);
  return plan.flatMap((wanted): ForeignRoute[] => {
    if (wanted.kind !== "route") return [];
    const found = routes.get(wanted.dst)?.find((route) => !isOwnRoute(route) && isMain(route));
    return found === undefined ? [] : [{ wanted, found }];
  });
}

export function describeForeign({ wanted, found }: ForeignRoute): string {
  return (
    `${describeObject(wanted)}: a route that is not podwire's is in the way: ${describeRoute(found)}; ` +
    "remove it, or take the prefix out of the peers"
  );
}

/** Of include/uapi/linux/rtnetlink.h, those that lead nowhere. */
const deadEnds: Readonly<Record<string, string>> = {
  6: "blackhole",
  7: "unreachable",
  8: "prohibit",
  9: "throw",
};

/** As ip would be told it: "blackhole 10.244.2.0/24 proto 3". */
function describeRoute({ type, dst, gateway, dev, protocol }: ObservedRoute): string {
  const deadEnd = deadEnds[type ?? ""];
  const words = [
    ...(deadEnd === undefined ? [] : [deadEnd]),
    dst,
    ...(gateway === undefined ? [] : [`via ${gateway}`]),
    ...(dev === undefined ? [] : [`dev ${dev}`]),
    `proto ${protocol ?? "unknown"}`,
  ];
  return words.join(" ");
}
