// What of an attachment goes by an address alone: routes and neighbours on links that attachments share, and masquerading. Once the
// address is released it may be another pod's; all else has the attachment's name.
import { type Plan, type PlanObject, sharedLinks } from "../plan/plan.ts";
import { hasNetns } from "./liveness.ts";
import { allRecords, wholeRecords } from "./record.ts";

export function withoutAddresses(plan: Plan): Plan {
  const keysOf = keysIn(plan);
  return plan.filter((object) => keysOf(object).length === 0);
}

/** Without what records say that live attachments have: for a plan that is none of theirs any more. */
export function withoutRecorded(plan: Plan): Plan {
  const keysOf = keysIn(plan);
  // Reading all records takes a moment.
  if (plan.flatMap(keysOf).length === 0) return plan;
  const recorded = wholeRecords(allRecords())
    .filter(hasNetns)
    .flatMap((record) => record.plan.flatMap(keysIn(record.plan)));
  const taken = new Set(recorded);
  return plan.flatMap((object) => {
    if (object.kind !== "masquerade") return keysOf(object).some((key) => taken.has(key)) ? [] : object;
    const sources = object.sources.filter((source) => !taken.has(masqueradeKey(object.network, source)));
    return sources.length === 0 ? [] : { ...object, sources };
  });
}

/** Of each object of the plan what the kernel has it by; none if that has the attachment's name. */
function keysIn(plan: Plan): (object: PlanObject) => string[] {
  const shared = new Set(sharedLinks(plan).map(({ name }) => name));
  return (object) => {
    if (object.kind === "masquerade")
      return object.sources.map((source) => masqueradeKey(object.network, source));
    if (object.kind === "route" && shared.has(object.link)) return [`route ${object.link} ${object.dst}`];
    if (object.kind === "neighbour" && shared.has(object.link))
      return [`neighbour ${object.link} ${object.address}`];
    return [];
  };
}

function masqueradeKey(network: string, source: string): string {
  return `masquerade ${network} ${source}`;
}
