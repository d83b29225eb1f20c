// What plugins after us may rightly change on the pod's interface (tuning does): its MAC and its MTU.
import type { Interface, Result } from "../cni/result.ts";
import type { Link, Plan } from "../plan/plan.ts";

/**
 * The plan as it should be found, by the chain's result. Results before 1.1.0 cannot tell the MTU, which is not
 * checked then. `macWasSet`: some plugin was asked to set a MAC, if only the one that was there.
 */
export function planAfterChain(plan: Plan, result: Result, macWasSet: boolean): Plan {
  const own = podLink(plan);
  const reported = result.interfaces.find(
    ({ name, sandbox }) => name === (own?.altName ?? own?.name) && sandbox !== undefined,
  );
  if (own === undefined || reported === undefined) return plan;
  const isMacChanged = macWasSet || (reported.mac !== undefined && reported.mac.toLowerCase() !== own.mac);
  return adapt(plan, changesOf(reported, own), isMacChanged);
}

/** The plan without what may have changed: for when the chain's result is not at hand. */
export function planOfAnyChain(plan: Plan): Plan {
  return adapt(plan, {}, true);
}

/** The same, but for what podwire can put back without disturbing them. */
export function planToKeep(plan: Plan): Plan {
  return adapt(plan, {}, false);
}

type Changes = Pick<Link, "mac" | "mtu">;

function podLink(plan: Plan): Link | undefined {
  return plan.filter((object) => object.kind === "link").find(({ where }) => where === "pod");
}

function changesOf({ mac = "", mtu }: Interface, own: Link): Changes {
  return { mac: mac.toLowerCase() || own.mac, mtu };
}

/** Setting a MAC makes the kernel drop the link's neighbour entries; the gateway is then learnt by ARP and ND. */
function adapt(plan: Plan, changes: Changes, isMacChanged: boolean): Plan {
  return plan
    .filter((object) => !(isMacChanged && object.kind === "neighbour" && object.where === "pod"))
    .map((object) => {
      if (object.kind !== "link" || object.where === "host") return object;
      return { ...object, mac: changes.mac, mtu: changes.mtu };
    });
}
