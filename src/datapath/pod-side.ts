// What pods have alike, however they are wired.
import type { Route as ResultRoute } from "../cni/result.ts";
import type { PlanObject, Route } from "../plan/plan.ts";
import { defaultPriority } from "./routing.ts";

/** Runtimes turn IPv6 off in new netns; duplicate address detection would delay the link-local address. */
export function podIpv6Settings(link: string): PlanObject[] {
  return ["disable_ipv6", "accept_dad", "accept_ra"].map((key) => ({
    kind: "sysctl",
    where: "pod",
    key: `net/ipv6/conf/${link}/${key}`,
    value: "0",
  }));
}

export function podRoute(link: string, { gw, dst, priority, ...attributes }: ResultRoute): Route {
  return {
    kind: "route",
    where: "pod",
    link,
    dst,
    ...(gw === undefined ? {} : { gateway: gw }),
    priority: priority ?? defaultPriority(link, dst),
    ...attributes,
  };
}
