// What is others' to say and may change: the MAC of a bridge's local port, which flows have; the MAC of ipvlan's master, which all
// its slaves take, neighbour entries name, and the kernel forgets those entries for; the master's addresses, by which host and
// pods know each other. So a plan is compared with what is there, and mended, for what is given now.
import { hostPrefix, parseIp, parsePrefix, prefixContains } from "../address/ip.ts";
import { sourcesOf } from "../linux/shown-address.ts";
import { isOnMaster, type Observed } from "./observe.ts";
import type { Ipvlan, Link, Masquerade, Plan, PlanObject, Route } from "./plan.ts";

type Seen = Pick<Observed, "link" | "masquerade">;

export function withGiven(plan: Plan, observed: Seen): Plan {
  return plan
    .filter((object) => object.kind === "link")
    .reduce((adapted, link) => {
      if (link.type.kind === "ipvlan") return withMaster(adapted, link, link.type, observed);
      const mac = observed.link(link.where, link.name)?.address;
      return mac !== undefined && link.shared && link.type.kind === "ovs"
        ? withLocalMac(adapted, link, mac)
        : adapted;
    }, plan);
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

const isIpv6 = (address: string) => address.includes(":");

/** The host speaks to pods from an address that the master has; one is as good as another. */
function withSources(plan: Plan, { name }: Link, candidates: readonly string[], observed: Seen): Plan {
  const choose = (of: string, known: readonly string[]) =>
    [...known, ...candidates].find(
      (address) => isIpv6(address) === isIpv6(of) && candidates.includes(address),
    );
  const asRoute = ({ source, ...route }: Route): Route => {
    const now = choose(route.dst, source === undefined ? [] : [source]);
    return now === undefined ? route : { ...route, source: now };
  };
  const asMasquerade = (object: Masquerade): Masquerade => {
    const mapped = observed.masquerade(object.network).hairpinSources(name);
    const known = [...mapped, ...(object.hairpin?.sources ?? [])];
    const sources = object.sources.flatMap((pod) => choose(pod, known) ?? []);
    return { ...object, hairpin: { link: name, sources: [...new Set(sources)] } };
  };
  return plan.map((object) => {
    if (object.kind === "masquerade" && object.hairpin?.link === name) return asMasquerade(object);
    const isOfSlave = object.kind === "route" && object.where === "host" && object.link === name;
    // That with a metric serves when the other one is gone, and has none.
    return isOfSlave && object.priority === undefined ? asRoute(object) : object;
  });
}

/** A pod of l2 takes the master's addresses in its subnet for neighbours on the segment, where nobody answers for them. */
function withWaysTo(addresses: readonly string[], plan: Plan, { name: link }: Link): Plan {
  const inPod = <T extends PlanObject>(object: T) =>
    object.where === "pod" && "link" in object && object.link === link;
  const subnets = plan.flatMap((object) =>
    object.kind === "address" && inPod(object) ? (parsePrefix(object.address) ?? []) : [],
  );
  const routes = plan.filter((object) => object.kind === "route").filter(inPod);
  const gateways = plan.filter((object) => object.kind === "neighbour").filter(inPod);
  const missing = addresses.flatMap((text): Route[] => {
    const ip = parseIp(text);
    if (ip === undefined || !subnets.some((subnet) => prefixContains(subnet, ip))) return [];
    const dst = hostPrefix(ip);
    const gateway = gateways.find(({ address }) => isIpv6(address) === isIpv6(text))?.address;
    if (gateway === undefined || routes.some((route) => route.dst === dst)) return [];
    const like = routes.find((route) => isIpv6(route.dst) === isIpv6(text))?.priority;
    const priority = like === undefined ? {} : { priority: like };
    return [{ kind: "route", where: "pod", link, dst, gateway, ...priority }];
  });
  return [...plan, ...missing];
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
