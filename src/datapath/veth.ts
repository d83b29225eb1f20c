// Routed veth: no bridge, no ARP between pods. The pod has its address alone (/32, /128) and sends all
// through a link-local gateway, the host's end of the pair, whose MAC is the same for every pod and known
// from the start by a permanent neighbour entry. The host has one route per address. So nothing is
// flooded, learnt or proxied.
import { hostPrefix, type Prefix } from "../address/ip.ts";
import type { Route as ResultRoute } from "../cni/result.ts";
import { hostSysctl } from "../plan/forwarding.ts";
import type { Link, PodObject, PodPlan, Route } from "../plan/plan.ts";
import type { AttachmentName, Datapath, Wired, Wiring } from "./datapath.ts";
import {
  checkMtu,
  forwarding,
  gatewayAddresses,
  gatewayMac,
  hasIpv6Settings,
  masquerade,
} from "./host-side.ts";
import { derivedMac } from "./names.ts";
import { routedPodObjects } from "./pod-side.ts";
import { gateways, has, isOnLink, routesThrough, scopeLink, subnetOf } from "./routing.ts";
import { pairTrace, vethPair } from "./veth-pair.ts";

export const veth: Datapath = { wire, traces };

function wire(wiring: Wiring): Wired {
  const mac = wiring.mac?.toLowerCase() ?? derivedMac(wiring);
  const pair = vethPair(wiring, mac, wiring.mtu);
  const addresses = wiring.ips.map(subnetOf);
  checkMtu(wiring, addresses);
  const routes = routesThrough(gateways, wiring);
  return {
    plan: [
      ...hostObjects(wiring, pair.host, addresses, routes),
      ...routedPodObjects(pair.pod, addresses, routes),
      ...(wiring.ipMasq ? [masquerade(wiring, addresses)] : []),
      ...forwarding(wiring, addresses, pair.host.name),
    ],
    interfaces: [
      { name: pair.host.name, mac: gatewayMac, mtu: wiring.mtu },
      { name: wiring.ifname, mac, mtu: wiring.mtu, sandbox: wiring.sandbox },
    ],
    ips: addresses.map(({ ip }) => ({ address: hostPrefix(ip), gateway: gateways[ip.family], interface: 1 })),
    routes,
  };
}

function traces(name: AttachmentName): PodPlan {
  return [pairTrace(name)];
}

function hostObjects(
  wiring: Wiring,
  link: Link,
  addresses: readonly Prefix[],
  routes: readonly ResultRoute[],
): PodObject[] {
  const hasIpv6 = has(addresses, 6);
  return [
    hasIpv6 ? { ...link, noAutomaticAddress: true } : link,
    // Only where it is needed before addresses can be given: it splits the batch in two.
    ...(hasIpv6 && wiring.host.ipv6OffByDefault
      ? [hostSysctl(`net/ipv6/conf/${link.name}/disable_ipv6`, "0")]
      : []),
    ...gatewayAddresses(link.name, addresses),
    ...addresses.map(
      ({ ip }): Route => ({
        kind: "route",
        where: "host",
        link: link.name,
        dst: hostPrefix(ip),
        ...(ip.family === 4 ? { scope: scopeLink } : {}),
      }),
    ),
    ...hostLinkSettings(wiring, link.name, addresses, routes),
  ];
}

function hostLinkSettings(
  wiring: Wiring,
  hostLink: string,
  addresses: readonly Prefix[],
  routes: readonly ResultRoute[],
): PodObject[] {
  const settings: PodObject[] = [];
  const ipv4 = (key: string, value: string) =>
    settings.push(hostSysctl(`net/ipv4/conf/${hostLink}/${key}`, value));
  if (has(addresses, 4)) ipv4("forwarding", "1");
  // A route without gateway makes the pod ask for each destination: the host answers.
  if (routes.some((route) => isOnLink(route))) {
    ipv4("proxy_arp", "1");
    settings.push(hostSysctl(`net/ipv4/neigh/${hostLink}/proxy_delay`, "0"));
  }
  // A pod must not advertise itself as the host's router.
  if (hasIpv6Settings(wiring, wiring.mtu))
    settings.push(hostSysctl(`net/ipv6/conf/${hostLink}/accept_ra`, "0"));
  return settings;
}
