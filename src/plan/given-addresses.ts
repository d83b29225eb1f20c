// A plan for the addresses that ipvlan's master has now (given.ts): the host speaks to pods from them, and pods to the host by them.
import { hostPrefix, parseIp, parsePrefix, prefixContains } from "../address/ip.ts";
import type { Observed } from "./observe.ts";
import type { Link, Masquerade, Plan, PlanObject, Route } from "./plan.ts";

const isIpv6 = (address: string) => address.includes(":");

/** The host speaks to pods from an address that the master has; one is as good as another. */
export function withSources(
  plan: Plan,
  { name }: Link,
  candidates: readonly string[],
  observed: Pick<Observed, "masquerade">,
): Plan {
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
export function withWaysTo(addresses: readonly string[], plan: Plan, { name: link }: Link): Plan {
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
