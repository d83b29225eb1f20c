// Where packets end that are for none of a node's pods: without it they would leave by the default route, unwrapped, for whoever
// is there to read, or to send them back.
import { peerRouteProtocol } from "./ip-lines.ts";
import type { Plan, Route } from "./plan.ts";

/** Every other route to the same prefix is better. */
const priority = 4_000_000_000;

export function deadEnd(dst: string): Route {
  const link = dst.includes(":") ? "lo" : "";
  return {
    kind: "route",
    where: "host",
    link,
    dst,
    protocol: peerRouteProtocol,
    priority,
    isDeadEnd: true,
  };
}

/** The plan's routes without those. */
export function routesOnward(plan: Plan): Route[] {
  return plan.flatMap((object) => (object.kind === "route" && !object.isDeadEnd ? [object] : []));
}
