// What pods have alike, however they are wired.
import { hostPrefix, type Prefix } from "../address/ip.ts";
import type { Route as ResultRoute } from "../cni/result.ts";
import type { Link, PodObject, Route } from "../plan/plan.ts";
import { gatewayMac } from "./host-side.ts";
import { defaultPriority, gateways, has, scopeLink } from "./routing.ts";

/** A pod with single addresses whose only neighbour is the gateway. */
export function routedPodObjects(
  podLink: Link,
  addresses: readonly Prefix[],
  routes: readonly ResultRoute[],
): PodObject[] {
  const link = podLink.name;
  const known = podLink.altName ?? link;
  const families = ([4, 6] as const).filter((family) => has(addresses, family));
  return [
    ...(has(addresses, 6) ? podIpv6Settings(link) : []),
    podLink,
    ...addresses.map(({ ip }) => ({ kind: "address", where: "pod", link, address: hostPrefix(ip) }) as const),
    ...(has(addresses, 4) ? [gatewayRoute(link, known)] : []),
    ...families.map(
      (family) =>
        ({ kind: "neighbour", where: "pod", link, address: gateways[family], mac: gatewayMac }) as const,
    ),
    ...routes.map((route) => podRoute(link, route, known)),
  ];
}

/** Our own routes need no such thing, being onlink; those that other plugins add (sbr) do. */
function gatewayRoute(link: string, known: string): Route {
  const dst = `${gateways[4]}/32`;
  return { kind: "route", where: "pod", link, dst, scope: scopeLink, priority: defaultPriority(known, dst) };
}

/**
 * Runtimes turn IPv6 off in new netns; duplicate address detection would delay the link-local address. Redirects are ignored: what is
 * too large for a pod of Open vSwitch the host sends out by the link that it came by, and says so by a redirect, for which the kernel
 * forgets the path's MTU.
 */
export function podIpv6Settings(link: string): PodObject[] {
  return ["disable_ipv6", "accept_dad", "accept_ra", "accept_redirects"].map((key) =>
    podSysctl(`net/ipv6/conf/${link}/${key}`, "0"),
  );
}

export function podSysctl(key: string, value: string): PodObject {
  return { kind: "sysctl", where: "pod", key, value };
}

/** `known`: the interface's name to the runtime. */
export function podRoute(
  link: string,
  { gw, dst, priority, ...attributes }: ResultRoute,
  known = link,
): Route {
  return {
    kind: "route",
    where: "pod",
    link,
    dst,
    ...(gw === undefined ? {} : { gateway: gw }),
    priority: priority ?? defaultPriority(known, dst),
    ...attributes,
  };
}
