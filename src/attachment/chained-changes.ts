// What plugins after us may rightly change on the pod's interface (tuning does): its MAC and its MTU.
import type { Interface, Result } from "../cni/result.ts";
import type { Wired } from "../datapath/datapath.ts";
import type { Link, PodPlan } from "../plan/plan.ts";

/**
 * The plan as it should be found, by the chain's result and by what ADD made. Results before 1.1.0 cannot tell the MTU, which
 * is not checked then. `macWasSet`: some plugin was asked to set a MAC, if only the one that was there.
 */
export function planAfterChain(
  { plan, interfaces }: Pick<Wired, "plan" | "interfaces">,
  result: Result,
  macWasSet: boolean,
): PodPlan {
  const own = podLink(plan);
  const made = interfaces.at(-1);
  const reported = result.interfaces.find(
    ({ name, sandbox }) => name === (own?.altName ?? own?.name) && sandbox !== undefined,
  );
  if (own === undefined || made === undefined || reported === undefined) return plan;
  const mac = reported.mac?.toLowerCase() || made.mac;
  return adapt(plan, { mac, mtu: mtuAfterChain(own, made, reported) }, macWasSet || mac !== made.mac);
}

/** The plan without what may have changed: for when the chain's result is not at hand. */
export function planOfAnyChain(plan: PodPlan): PodPlan {
  return adapt(plan, {}, true);
}

/** The same, but for what podwire can put back without disturbing them. */
export function planToKeep(plan: PodPlan): PodPlan {
  return adapt(plan, {}, false);
}

type Changes = Pick<Link, "mac" | "mtu">;

function podLink(plan: PodPlan): Link | undefined {
  return plan.filter((object) => object.kind === "link").find(({ where }) => where === "pod");
}

/** A link that has none of its own follows its master's, until a plugin gives it one. */
function mtuAfterChain(own: Link, made: Interface, reported: Interface): number | undefined {
  return reported.mtu === made.mtu ? own.mtu : reported.mtu;
}

/**
 * Setting a MAC makes the kernel drop the link's neighbour entries; the gateway is then learnt by ARP and ND. A slave of
 * ipvlan has its master's, which nobody can set, and no other way to the gateway.
 */
function adapt(plan: PodPlan, changes: Changes, isMacChanged: boolean): PodPlan {
  const isSlave = podLink(plan)?.type.kind === "ipvlan";
  const dropsNeighbours = isMacChanged && !isSlave;
  return plan
    .filter((object) => !(dropsNeighbours && object.kind === "neighbour" && object.where === "pod"))
    .map((object) => {
      if (object.kind !== "link" || object.where === "host") return object;
      return { ...object, mac: isSlave ? undefined : changes.mac, mtu: changes.mtu };
    });
}
