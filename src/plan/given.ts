// What is others' to say and may change: the MAC of a bridge's local port, which flows have; the MAC of ipvlan's master, which all
// its slaves take, neighbour entries name, and the kernel forgets those entries for; the master's addresses, by which host and
// pods know each other; and which links the host has besides, to hear routers by. So a plan is compared with what is there, and
// mended, for what is given now.
import { sourcesOf } from "../linux/shown-address.ts";
import { withSources, withWaysTo } from "./given-addresses.ts";
import { isOnMaster, type Observed } from "./observe.ts";
import type { ObservedBridge } from "./ovs/observe.ts";
import { toHost } from "./ovs/tables.ts";
import type { Ipvlan, Link, Plan, PodPlan } from "./plan.ts";

type Seen = Pick<Observed, "link" | "masquerade" | "sysctl" | "ovs">;

export function withGiven(plan: PodPlan, observed: Seen): PodPlan;
export function withGiven(plan: Plan, observed: Seen): Plan;
export function withGiven(plan: Plan, observed: Seen): Plan {
  const present = withoutLost(plan, observed);
  return present
    .filter((object) => object.kind === "link")
    .reduce((adapted, link) => {
      if (link.type.kind === "ipvlan") return withMaster(adapted, link, link.type, observed);
      if (link.type.kind !== "ovs" || !link.shared) return adapted;
      const mac = localMac(link, observed.ovs.bridge(link.type.bridge), observed);
      return mac === undefined ? adapted : withLocalMac(adapted, link, mac);
    }, present);
}

/** A link that hears routers may go, or get another name, while pods are there. */
function withoutLost(plan: Plan, observed: Seen): Plan {
  const planned = new Set(plan.flatMap((object) => (object.kind === "link" ? object.name : [])));
  return plan.filter((object) => {
    if (object.kind !== "sysctl" || object.where !== "host") return true;
    const [, link] = /^net\/ipv6\/conf\/([^/]+)\/accept_ra$/.exec(object.key) ?? [];
    return link === undefined || planned.has(link) || observed.sysctl("host", object.key) !== undefined;
  });
}

function withMaster(plan: Plan, link: Link, { master: name }: Ipvlan, observed: Seen): Plan {
  const master = observed.link("host", name);
  const slave = observed.link(link.where, link.name);
  // The name may be another link's by now, and the slave on the one that had it.
  if (slave !== undefined && !isOnMaster(slave, name, master)) {
    return withMasterMac(plan, link, slave.address);
  }
  if (master === undefined) return plan;
  const adapted = withMasterMac(plan, link, master.address);
  const addresses = sourcesOf(master.addr_info);
  if (link.shared) return withSources(adapted, link, addresses, observed);
  return link.where === "pod" ? withWaysTo(addresses, adapted, link) : adapted;
}

/** Of a slave all neighbours are at its master's. */
function withMasterMac(plan: Plan, { where, name }: Link, mac: string): Plan {
  return plan.map((object) =>
    object.kind === "neighbour" && object.where === where && object.link === name
      ? { ...object, mac }
      : object,
  );
}

/** A new bridge's link has one of its own for a moment, and flows that had it would be wrong for good: of podwire's the row's counts. */
function localMac(
  { where, name }: Link,
  bridge: ObservedBridge | undefined,
  observed: Seen,
): string | undefined {
  if (bridge === undefined) return undefined;
  return (bridge.isOwn ? bridge.mac : undefined) ?? observed.link(where, name)?.address;
}

function withLocalMac(plan: Plan, { name, mac: planned }: Link, mac: string): Plan {
  if (planned === undefined || mac === planned) return plan;
  return plan.map((object) => {
    if (object.kind === "link" && object.where === "host" && object.name === name) return { ...object, mac };
    if (object.kind !== "ovs-flows" || object.bridge !== name) return object;
    const flows = object.flows.map((flow) => ({
      ...flow,
      actions: flow.actions.replaceAll(toHost(planned), toHost(mac)),
    }));
    return { ...object, flows };
  });
}
