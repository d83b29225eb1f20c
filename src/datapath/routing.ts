// The pod's routes where the host is its only next hop: whatever the IPAM asked for goes through the
// datapath's own gateway address.
import {
  type Family,
  firstIp,
  formatIp,
  formatPrefix,
  type Prefix,
  parseIp,
  parsePrefix,
  prefixCovers,
} from "../address/ip.ts";
import { CniError, ErrorCode } from "../cni/error.ts";
import type { IpConfig, Route } from "../cni/result.ts";
import type { Wiring } from "./datapath.ts";
import { nameRank } from "./names.ts";

export type Gateways = Readonly<Record<Family, string>>;

/** Under which the host is every pod's gateway, where there is one. */
export const gateways: Gateways = { 4: "169.254.1.1", 6: "fe80::1" };

/** RT_SCOPE_LINK, include/uapi/linux/rtnetlink.h */
export const scopeLink = 253;

/**
 * The IPAM's routes through `gateways`, or straight onto the link where there are none; those of the addresses'
 * subnets where the IPAM left them out.
 */
export function routesThrough(gateways: Gateways | undefined, wiring: Wiring): Route[] {
  const asked = firstOfEach(wiring.routes.map((route) => throughGateway(route, gateways, wiring)));
  const covered = asked.flatMap((route) => parsePrefix(route.dst) ?? []);
  const subnets = wiring.ips
    .map(subnetOf)
    .filter((subnet) => !covered.some((prefix) => prefixCovers(prefix, subnet)))
    .map((subnet): Route => ({ dst: networkOf(subnet), ...gatewayFor(subnet.ip.family, gateways) }));
  return [...asked, ...firstOfEach(subnets)];
}

function gatewayFor(family: Family, gateways: Gateways | undefined): Pick<Route, "gw"> {
  return gateways === undefined ? {} : { gw: gateways[family] };
}

/** The kernel takes a route once; of two with the same destination the first counts, as for the reference. */
export function firstOfEach(routes: readonly Route[]): Route[] {
  const key = ({ dst, table, priority }: Route) => [dst, table, priority].join(" ");
  return routes.filter((route, index) => routes.findIndex((other) => key(other) === key(route)) === index);
}

/**
 * Several attachments of one pod may have routes to the same destination: eth0's win over eth1's, those over net1's,
 * and those over other names' in an order of their own. 1024 is the kernel's default for IPv6 (IP6_RT_PRIO_USER).
 */
export function defaultPriority(link: string, dst: string): number {
  return (dst.includes(":") ? 1024 : 0) + rankOf(link);
}

function rankOf(link: string): number {
  const [, kind, number] = /^(eth|net)([0-9]{1,2})$/.exec(link) ?? [];
  if (kind !== undefined) return Number(number) + (kind === "net" ? 100 : 0);
  return 1000 + nameRank(link, 60000);
}

/** RT_SCOPE_LINK and narrower have no gateway. */
export function isOnLink(route: Route): boolean {
  return (route.scope ?? 0) >= scopeLink;
}

export function has(addresses: readonly Prefix[], family: Family): boolean {
  return addresses.some(({ ip }) => ip.family === family);
}

/** An IPAM's address with the length of its subnet. */
export function subnetOf({ address }: IpConfig): Prefix {
  const prefix = parsePrefix(address);
  if (prefix === undefined)
    throw cannotWire(`address ${JSON.stringify(address)} is not an address with prefix length`);
  if (Object.values(gateways).includes(formatIp(prefix.ip))) {
    // Also where the datapath has none: the node's other datapaths do.
    throw cannotWire(
      `address ${address} is what pods know the host by; take ${formatIp(prefix.ip)} out of the ranges`,
    );
  }
  return prefix;
}

export function networkOf(prefix: Prefix): string {
  return formatPrefix({ ip: firstIp(prefix), length: prefix.length });
}

export function cannotWire(details: string): CniError {
  return new CniError(ErrorCode.invalidConfig, "the network cannot be wired as asked", details);
}

function throughGateway(route: Route, gateways: Gateways | undefined, wiring: Wiring): Route {
  const attributes = checkedRoute(route, wiring);
  checkGateway(route, gateways, wiring);
  if (isOnLink(attributes)) return attributes;
  return { ...attributes, ...gatewayFor(attributes.dst.includes(":") ? 6 : 4, gateways) };
}

/** An IPAM's route in its usual form, without its gateway. */
export function checkedRoute(route: Route, wiring: Wiring): Route {
  const parsed = parsePrefix(route.dst);
  if (parsed === undefined) throw cannotWire(`route dst ${JSON.stringify(route.dst)} is not a network`);
  const { family } = parsed.ip;
  const dst = networkOf(parsed);
  if (!has(wiring.ips.map(subnetOf), family)) {
    throw cannotWire(
      `route ${dst} is IPv${family}, but the pod gets no IPv${family} address; add a range or remove the route`,
    );
  }
  checkMetrics(route);
  return attributesOf(route, dst);
}

/** 0 means "not set" everywhere, as for the reference plugins and the kernel; IPv6 knows no scopes. */
function attributesOf({ mtu, advmss, priority, table, scope }: Route, dst: string): Route {
  return {
    dst,
    ...(mtu ? { mtu } : {}),
    ...(advmss ? { advmss } : {}),
    ...(priority ? { priority } : {}),
    ...(table ? { table } : {}),
    ...(scope && !dst.includes(":") ? { scope } : {}),
  };
}

/** The kernel silently lowers larger ones (fib_convert_metrics in net/ipv4/metrics.c). */
function checkMetrics({ dst, mtu = 0, advmss = 0 }: Route): void {
  if (mtu > maxRouteMtu) throw cannotWire(`route ${dst} has mtu ${mtu}; expected at most ${maxRouteMtu}`);
  if (advmss > maxAdvmss)
    throw cannotWire(`route ${dst} has advmss ${advmss}; expected at most ${maxAdvmss}`);
}

const maxRouteMtu = 65520;
const maxAdvmss = 65495;

/** On a routed link the only next hop is the host, under whatever address the IPAM knows it. */
function checkGateway(route: Route, gateways: Gateways | undefined, wiring: Wiring): void {
  if (route.gw === undefined) return;
  const gateway = parseIp(route.gw);
  const known = wiring.ips.flatMap((ip) => ip.gateway ?? []).concat(Object.values(gateways ?? {}));
  if (gateway !== undefined && known.includes(formatIp(gateway))) return;
  throw cannotWire(
    `route ${route.dst} has gw ${JSON.stringify(route.gw)}; a routed datapath has no next hop but the host. ` +
      "Leave gw out, or give it as the gateway of a range",
  );
}
