// MACs that are others' to say and may change: of a bridge's local port, which flows have, and of ipvlan's master, which all its
// slaves take, neighbour entries name, and the kernel forgets those entries for. So a plan is compared with what is there, and
// mended, for the MACs of now.
import type { Observed } from "./observe.ts";
import type { Link, Plan } from "./plan.ts";

export function withGivenMacs(plan: Plan, observed: Pick<Observed, "link">): Plan {
  return plan
    .filter((object) => object.kind === "link")
    .reduce((adapted, link) => {
      const mac = observed.link(link.where, link.name)?.address;
      if (mac === undefined) return adapted;
      if (link.type.kind === "ipvlan") return withMasterMac(adapted, link, mac);
      return link.shared && link.type.kind === "ovs" ? withLocalMac(adapted, link, mac) : adapted;
    }, plan);
}

/** Of a slave all neighbours are at its master's. */
function withMasterMac(plan: Plan, { where, name }: Link, mac: string): Plan {
  return plan.map((object) =>
    object.kind === "neighbour" && object.where === where && object.link === name
      ? { ...object, mac }
      : object,
  );
}

function withLocalMac(plan: Plan, { name, mac: planned }: Link, mac: string): Plan {
  if (planned === undefined || mac === planned) return plan;
  const sent = (to: string) => `set_field:${to}->eth_dst`;
  return plan.map((object) => {
    if (object.kind === "link" && object.where === "host" && object.name === name) return { ...object, mac };
    if (object.kind !== "ovs-flows" || object.bridge !== name) return object;
    const flows = object.flows.map((flow) => ({
      ...flow,
      actions: flow.actions.replaceAll(sent(planned), sent(mac)),
    }));
    return { ...object, flows };
  });
}
