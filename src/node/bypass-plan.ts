// What the bypass module is to be set to, from what networks wish and from the plan that has the routes to peers. Pure.
import { covers, mergeIntervals, parseInterval } from "../address/interval.ts";
import { formatIp, type Ip, withLength } from "../address/ip.ts";
import type { BypassConfiguration } from "../bypass/control.ts";
import type { Plan, PlanObject } from "../plan/plan.ts";
import type { BypassWish } from "./bypass-wish.ts";

/** What an overlay adds. */
export type OverlayPart = Pick<BypassConfiguration, "pods" | "node" | "peers" | "tunnels">;

export const noOverlay: OverlayPart = { pods: [], node: [], peers: [], tunnels: [] };

/** `local`: the address of this node that peers know. */
export function overlayPart(plan: Plan, local: Ip): OverlayPart {
  const pods = plan.flatMap((object) => (object.kind === "peer-sets" ? object.prefixes : []));
  const remotes = plan.flatMap(remotesOf);
  const tunnels = plan.flatMap(udpPorts).map((port) => `udp ${port}`);
  const peers = [...new Set(remotes)].map(withLength);
  return peers.length === 0 || tunnels.length === 0
    ? { ...noOverlay, pods }
    : { pods, node: [withLength(formatIp(local))], peers, tunnels };
}

/** Nodes that packets are wrapped to, by the kernel's routes or by flows of Open vSwitch. */
function remotesOf(object: PlanObject): string[] {
  if (object.kind === "route") return object.encap === undefined ? [] : [object.encap.remote];
  return object.kind === "ovs-flows" ? object.flows.flatMap(({ remote }) => remote ?? []) : [];
}

/** podwire_stt leaves netfilter out by itself. */
function udpPorts(object: PlanObject): number[] {
  if (object.kind === "ovs-port") return "port" in object.type ? [object.type.port] : [];
  if (object.kind !== "link" || object.type.kind !== "tunnel" || object.type.driver === "stt") return [];
  return [object.type.port];
}

/** `excluded`: by hand, besides what configurations say. */
export function bypassPlan(
  wishes: readonly BypassWish[],
  overlay: OverlayPart,
  excluded: readonly string[],
): BypassConfiguration {
  const leases = wishes.map(({ lease }) => lease).filter((lease) => lease > 0);
  return {
    mode: "bypass",
    lease: leases.length === 0 ? 0 : Math.min(...leases),
    pods: distinct([...wishes.flatMap(({ own, pods }) => [...own, ...pods]), ...overlay.pods]),
    excluded: distinct([...wishes.flatMap((wish) => wish.excluded), ...excluded]),
    node: overlay.node,
    peers: overlay.peers,
    tunnels: overlay.tunnels,
  };
}

/** What speaks against it in the configuration itself, whether or not its pods are there yet. */
export function plannedObstacles(
  wishes: readonly BypassWish[],
  { pods, tunnels }: BypassConfiguration,
  overlay: OverlayPart,
): string[] {
  const unknown = wishes.filter(({ own, pods: named }) => own.length + named.length === 0);
  if (unknown.length === wishes.length && tunnels.length === 0) {
    return unknown.map(
      ({ network }) =>
        `network ${network} does not tell its pods' prefixes (its IPAM is not host-local); set bypass.pods`,
    );
  }
  return wishes
    .filter(({ isMasqueraded }) => isMasqueraded)
    .flatMap(({ network, subnets }) => {
      const direct = mergeIntervals(
        [...subnets, ...overlay.pods].flatMap((text) => parseInterval(text) ?? []),
      );
      const others = pods.filter((text) => {
        const interval = parseInterval(text);
        return interval !== undefined && !covers(direct, interval);
      });
      return others.map((text) => `network ${network} masquerades what its pods send to ${text} (ipMasq)`);
    });
}

/** What is left of what is wished: rules about tunnels are none about pods. Without pods nothing is left then. */
export function judgedBypass(
  wished: BypassConfiguration,
  obstacles: string[],
  tunnelObstacles: readonly string[],
): { wanted: BypassConfiguration; obstacles: string[]; tunnelObstacles: readonly string[] } {
  if (obstacles.length > 0)
    return { wanted: { ...wished, mode: "off", lease: 0 }, obstacles, tunnelObstacles: [] };
  if (tunnelObstacles.length === 0) return { wanted: wished, obstacles, tunnelObstacles };
  if (wished.pods.length === 0)
    return {
      wanted: { ...wished, mode: "off", lease: 0 },
      obstacles: [...tunnelObstacles],
      tunnelObstacles: [],
    };
  return { wanted: { ...wished, node: [], peers: [], tunnels: [] }, obstacles, tunnelObstacles };
}

function distinct(texts: readonly string[]): string[] {
  return [...new Set(texts)];
}
