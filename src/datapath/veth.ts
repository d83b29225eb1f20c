// Routed veth: no bridge, no ARP between pods. The pod has its address alone (/32, /128) and sends all
// through a link-local gateway, the host's end of the pair, whose MAC is the same for every pod and known
// from the start by a permanent neighbour entry. The host has one route per address. So nothing is
// flooded, learnt or proxied.
import { addressBits, formatIp, hostPrefix, type Prefix } from "../address/ip.ts";
import type { Route as ResultRoute } from "../cni/result.ts";
import type { Link, Plan, PlanObject, Route } from "../plan/plan.ts";
import type { AttachmentName, Datapath, Wired, Wiring } from "./datapath.ts";
import { derivedMac, hostLinkName, linkAlias } from "./names.ts";
import {
  cannotWire,
  defaultPriority,
  has,
  isOnLink,
  networkOf,
  routesThrough,
  scopeLink,
  subnetOf,
} from "./routing.ts";

/** Locally administered; the same on every node, so that a pod's neighbour entry never goes stale. */
const hostMac = "ee:70:77:00:00:01";
const gateways = { 4: "169.254.1.1", 6: "fe80::1" } as const;

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

/**
 * The host's end has the gateway's addresses too. The pod does not need them as long as it has its neighbour
 * entries, but the kernel drops those when somebody sets the pod's MAC.
 */
function gatewayAddresses(link: string, addresses: readonly Prefix[]): PlanObject[] {
  const at = { kind: "address", where: "host", link } as const;
  return [
    ...(has(addresses, 4) ? [{ ...at, address: `${gateways[4]}/32`, scope: "host" } as const] : []),
    ...(has(addresses, 6) ? [{ ...at, address: `${gateways[6]}/64` }] : []),
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

/** Runtimes turn IPv6 off in new netns; duplicate address detection would delay the link-local address. */
function podIpv6Settings(link: string): PlanObject[] {
  return ["disable_ipv6", "accept_dad", "accept_ra"].map((key) => ({
    kind: "sysctl",
    where: "pod",
    key: `net/ipv6/conf/${link}/${key}`,
    value: "0",
  }));
}

function podRoute(link: string, { gw, dst, priority, ...attributes }: ResultRoute): Route {
  return {
    kind: "route",
    where: "pod",
    link,
    dst,
    ...(gw === undefined ? {} : { gateway: gw }),
    priority: priority ?? defaultPriority(link, dst),
    ...attributes,
  };
}

function masquerade(wiring: Wiring, addresses: readonly Prefix[]): PlanObject {
  return {
    kind: "masquerade",
    where: "host",
    network: wiring.network,
    sources: addresses.map(({ ip }) => formatIp(ip)),
    // A subnet of one address says nothing about the network.
    direct: addresses.filter(({ ip, length }) => length < addressBits(ip.family)).map(networkOf),
  };
}

/** Host-wide, and last: they are left as they are when an ADD fails or a pod goes. */
function forwarding(wiring: Wiring, addresses: readonly Prefix[]): PlanObject[] {
  const ipv4 = [hostSysctl("net/ipv4/ip_forward", "1")];
  const ipv6 = [
    // 2: accept router advertisements although forwarding (Documentation/networking/ip-sysctl.rst).
    ...wiring.host.advertisedLinks.map((link) => hostSysctl(`net/ipv6/conf/${link}/accept_ra`, "2")),
    hostSysctl("net/ipv6/conf/all/forwarding", "1"),
  ];
  return [...(has(addresses, 4) ? ipv4 : []), ...(has(addresses, 6) ? ipv6 : [])];
}

function checkMtu(wiring: Wiring, addresses: readonly Prefix[]): void {
  if (wiring.mtu >= 1280 || !has(addresses, 6)) return;
  throw cannotWire(`mtu ${wiring.mtu} is too small for IPv6; expected at least 1280 (RFC 8200 section 5)`);
}

function hostSysctl(key: string, value: string): PlanObject {
  return { kind: "sysctl", where: "host", key, value };
}
