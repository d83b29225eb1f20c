// A tunnel's next hops are inside of the prefixes that they lead to, and for IPv6 the kernel refuses one to which its table leads by
// another link (ip6_route_check_nh_onlink in net/ipv6/route.c). A wider route of somebody else is enough, such as fd00::/8 to a
// router. So the next hop has a route of its own for as long as it takes to make the prefix's.
import { type Prefix, parseIp, parsePrefix, prefixContains } from "../address/ip.ts";
import { peerRouteProtocol } from "./ip-lines.ts";
import type { ObservedRoute } from "./observe.ts";
import type { ObservedHost } from "./observe-host.ts";
import type { Route } from "./plan.ts";

/** That route, as words for ip; undefined where the kernel needs none. */
export function nextHopRoute(
  { link, gateway, encap }: Route,
  { allRoutes }: ObservedHost,
): string | undefined {
  const next = encap === undefined || gateway === undefined ? undefined : parseIp(gateway);
  if (next?.family !== 6) return undefined;
  const isMisled = wideRoutes(allRoutes).some(
    ({ dev, prefix }) => dev !== link && prefixContains(prefix, next),
  );
  return isMisled ? `${gateway}/128 dev ${link} proto ${peerRouteProtocol} metric 1` : undefined;
}

interface WideRoute {
  readonly dev: string;
  readonly prefix: Prefix;
}

const known = new WeakMap<readonly ObservedRoute[], WideRoute[]>();

/** Others' IPv6 routes to more than one address; the kernel does not mind a default route. */
function wideRoutes(routes: readonly ObservedRoute[]): WideRoute[] {
  const found =
    known.get(routes) ??
    routes.flatMap(({ dst, dev, protocol }): WideRoute[] => {
      if (dev === undefined || !dst.includes(":") || protocol === String(peerRouteProtocol)) return [];
      const prefix = parsePrefix(dst);
      return prefix === undefined || prefix.length === 0 ? [] : [{ dev, prefix }];
    });
  known.set(routes, found);
  return found;
}
