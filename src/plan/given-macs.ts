// The MAC of a bridge's local port is the bridge's owner's to say, and flows have it. So a plan is compared with what is there,
// and mended, for the MAC that the port has now.
import type { Observed } from "./observe.ts";
import type { Link, Plan } from "./plan.ts";

export function withLocalMacs(plan: Plan, observed: Pick<Observed, "link">): Plan {
  return plan
    .filter((object) => object.kind === "link")
    .filter(({ shared, type }) => shared && type.kind === "ovs")
    .reduce((adapted, link) => withLocalMac(adapted, link, observed.link("host", link.name)?.address), plan);
}

function withLocalMac(plan: Plan, { name, mac: planned }: Link, mac: string | undefined): Plan {
  if (mac === undefined || planned === undefined || mac === planned) return plan;
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
