// How packets of the overlay's routes are wrapped: the kernel's device by what each route says, a tunnel port of Open vSwitch by
// what its flows say.
import { withLength } from "../../address/ip.ts";
import { switchTunnel } from "../../linux/ovs/ovs.ts";
import type { OvsFlow, OvsTunnel, Plan, Route, Tunnel } from "../../plan/plan.ts";

/** undefined where the overlay has no tunnel. */
export function tunnelOf(plan: Plan): Tunnel | OvsTunnel | undefined {
  return plan
    .flatMap((object) => (object.kind === "link" || object.kind === "ovs-port" ? [object.type] : []))
    .find((type) => isTunnel(type));
}

/** The link that wraps packets. Of a bridge it is Open vSwitch's own, not the one by which the host reaches the bridge. */
export function wrappingLink(plan: Plan, device: string): string {
  const tunnel = tunnelOf(plan);
  return tunnel === undefined || tunnel.kind === "tunnel" ? device : switchTunnel(tunnel.kind, tunnel.port);
}

export function driverOf(tunnel: Tunnel | OvsTunnel): Tunnel["driver"] {
  return tunnel.kind === "tunnel" ? tunnel.driver : tunnel.kind;
}

function isTunnel(type: { readonly kind: string }): type is Tunnel | OvsTunnel {
  return ["tunnel", "vxlan", "geneve"].includes(type.kind);
}

/** Tells the address of the node that packets of a route are wrapped to; undefined if they go as they are. */
export function remotes(plan: Plan): (route: Route) => string | undefined {
  const flows = plan.flatMap((object) => (object.kind === "ovs-flows" ? object.flows : []));
  const byFlow = new Map(flows.map((flow) => [destinationOf(flow), flow.remote]));
  return ({ encap, dst }) => encap?.remote ?? byFlow.get(dst);
}

/** Open vSwitch leaves the length of a single address away. */
function destinationOf({ match, remote }: OvsFlow): string | undefined {
  const [, dst = ""] = remote === undefined ? [] : (/(?:nw|ipv6)_dst=([^,]+)/.exec(match) ?? []);
  return dst === "" ? dst : withLength(dst);
}
