// Routed veth: no bridge, no ARP between pods. The pod has its address alone (/32, /128) and sends all
// through a link-local gateway, the host's end of the pair, whose MAC is the same for every pod and known
// from the start by a permanent neighbour entry. The host has one route per address. So nothing is
// flooded, learnt or proxied.
import { hostPrefix, type Prefix } from "../address/ip.ts";
import type { Route as ResultRoute } from "../cni/result.ts";
import type { Link, Plan, PlanObject, Route } from "../plan/plan.ts";
import type { AttachmentName, Datapath, Wired, Wiring } from "./datapath.ts";
import { checkMtu, forwarding, gatewayAddresses, hostSysctl, masquerade } from "./host-side.ts";
import { derivedMac, hostLinkName, linkAlias } from "./names.ts";
import { podIpv6Settings, podRoute } from "./pod-side.ts";
import { defaultPriority, gateways, has, isOnLink, routesThrough, scopeLink, subnetOf } from "./routing.ts";

/** Locally administered; the same on every node, so that a pod's neighbour entry never goes stale. */
const hostMac = "ee:70:77:00:00:01";

export const veth: Datapath = { wire, traces };

function wire(wiring: Wiring): Wired {
  const mac = wiring.mac?.toLowerCase() ?? derivedMac(wiring);
  const hostLink = hostLinkName(wiring);
  const addresses = wiring.ips.map(subnetOf);
  checkMtu(wiring, addresses);
  const routes = routesThrough(gateways, wiring);
  return {
    plan: [
      ...hostObjects(wiring, hostLink, mac, addresses, routes),
      ...podObjects(wiring, hostLink, mac, addresses, routes),
      ...(wiring.ipMasq ? [masquerade(wiring, addresses)] : []),
      ...forwarding(wiring, addresses),
    ],
    interfaces: [
      { name: hostLink, mac: hostMac, mtu: wiring.mtu },
      { name: wiring.ifname, mac, mtu: wiring.mtu, sandbox: wiring.sandbox },
    ],
    ips: addresses.map(({ ip }) => ({ address: hostPrefix(ip), gateway: gateways[ip.family], interface: 1 })),
    routes,
  };
}

function traces(name: AttachmentName): Plan {
  return [hostEnd(name, hostLinkName(name), derivedMac(name), 1500)];
}

function hostEnd(name: AttachmentName, hostLink: string, podMac: string, mtu: number): Link {
  return {
    kind: "link",
    where: "host",
    name: hostLink,
    mac: hostMac,
    mtu,
    alias: linkAlias(name),
    type: {
      kind: "veth",
      makesPair: true,
      peer: { where: "pod", name: name.ifname, mac: podMac, mtu },
    },
  };
}

function hostObjects(
  wiring: Wiring,
  hostLink: string,
  podMac: string,
  addresses: readonly Prefix[],
  routes: readonly ResultRoute[],
): PlanObject[] {
  const hasIpv6 = has(addresses, 6);
  const link = hostEnd(wiring, hostLink, podMac, wiring.mtu);
  const ipv6On = hostSysctl(`net/ipv6/conf/${hostLink}/disable_ipv6`, "0");
  return [
    hasIpv6 ? { ...link, noAutomaticAddress: true } : link,
    // Only where it is needed before addresses can be given: it splits the batch in two.
    ...(hasIpv6 && wiring.host.ipv6OffByDefault ? [ipv6On] : []),
    ...gatewayAddresses(hostLink, addresses),
    ...addresses.map(
      ({ ip }): Route => ({
        kind: "route",
        where: "host",
        link: hostLink,
        dst: hostPrefix(ip),
        ...(ip.family === 4 ? { scope: scopeLink } : {}),
      }),
    ),
    ...hostLinkSettings(wiring, hostLink, addresses, routes),
  ];
}

function hostLinkSettings(
  wiring: Wiring,
  hostLink: string,
  addresses: readonly Prefix[],
  routes: readonly ResultRoute[],
): PlanObject[] {
  const settings: PlanObject[] = [];
  const ipv4 = (key: string, value: string) =>
    settings.push(hostSysctl(`net/ipv4/conf/${hostLink}/${key}`, value));
  const ipv6 = (key: string, value: string) =>
    settings.push(hostSysctl(`net/ipv6/conf/${hostLink}/${key}`, value));
  if (has(addresses, 4)) ipv4("forwarding", "1");
  // A route without gateway makes the pod ask for each destination: the host answers.
  if (routes.some((route) => isOnLink(route))) {
    ipv4("proxy_arp", "1");
    settings.push(hostSysctl(`net/ipv4/neigh/${hostLink}/proxy_delay`, "0"));
  }
  // A pod must not advertise itself as the host's router.
  if (wiring.host.ipv6) ipv6("accept_ra", "0");
  if (has(addresses, 6)) ipv6("forwarding", "1");
  return settings;
}

function podObjects(
  wiring: Wiring,
  hostLink: string,
  mac: string,
  addresses: readonly Prefix[],
  routes: readonly ResultRoute[],
): PlanObject[] {
  const link = wiring.ifname;
  const families = ([4, 6] as const).filter((family) => has(addresses, family));
  return [
    ...(has(addresses, 6) ? podIpv6Settings(link) : []),
    {
      kind: "link",
      where: "pod",
      name: link,
      mac,
      mtu: wiring.mtu,
      type: {
        kind: "veth",
        makesPair: false,
        peer: { where: "host", name: hostLink, mac: hostMac, mtu: wiring.mtu },
      },
    },
    ...addresses.map(({ ip }) => ({ kind: "address", where: "pod", link, address: hostPrefix(ip) }) as const),
    ...(has(addresses, 4) ? [gatewayRoute(link)] : []),
    ...families.map(
      (family) =>
        ({ kind: "neighbour", where: "pod", link, address: gateways[family], mac: hostMac }) as const,
    ),
    ...routes.map((route) => podRoute(link, route)),
  ];
}

/** Our own routes need no such thing, being onlink; those that other plugins add (sbr) do. */
function gatewayRoute(link: string): Route {
  const dst = `${gateways[4]}/32`;
  return { kind: "route", where: "pod", link, dst, scope: scopeLink, priority: defaultPriority(link, dst) };
}
