// From what a host has to what a plan wants of it, as lines for `ip -batch`: set differences, so that a change of one among
// thousands of peers is a line or two. What is new is made before what is stale goes, and a route is replaced in one step,
// so that traffic that needs neither goes on.
import { isSwitchTunnel } from "../linux/ovs/ovs.ts";
import { foreignRoutes, hopWords } from "./foreign-routes.ts";
import { makingLines, peerRouteProtocol, routeLine, upLines } from "./ip-lines.ts";
import { nextHopRoute } from "./next-hop.ts";
import type { NextHop, ObservedLink, ObservedRoute } from "./observe.ts";
import type { ObservedHost } from "./observe-host.ts";
import { deadEndOf, isMain, isOfSwitch, isOwnRoute, isShared } from "./own.ts";
import { describeObject, type Link, type Plan, type PlanObject, type Route } from "./plan.ts";
import { destinationOf, routeFault, routesByDestination } from "./routes-verify.ts";
import { isAsPlanned, neighboursByAddress, tunnelFault } from "./verify.ts";

export interface Change {
  readonly line: string;
  /** For people: "route 10.244.2.0/24 dev pw-vxlan on the host". */
  readonly what: string;
  readonly verb: "made" | "changed" | "removed";
}

export type Done = Pick<Change, "what" | "verb">;

/** What of the host belongs to these plans besides routes of their protocol. */
export interface Scope {
  /** Links that only these plans make. */
  readonly devices: readonly string[];
  /** The same of ports of Open vSwitch, whose databases these are. */
  readonly ports: readonly string[];
  readonly databases: readonly string[];
  /** Pods whose links stand on a device, by names for people. */
  readonly podsOn: (device: string) => readonly string[];
}

/**
 * Devices that are to be made, which are down yet and take no packets. What has their name or their port goes first, but Open vSwitch's
 * ports go by themselves.
 */
export function newDevices(plan: Plan, host: ObservedHost, { devices }: Scope): Change[] {
  return plan.flatMap((object): Change[] => {
    if (object.kind !== "link" || object.type.kind !== "tunnel" || object.type.driver === "stt") return [];
    const { name, type } = object;
    const found = host.link("host", name);
    if (isOfSwitch(found) || (found !== undefined && !isOfOtherKind(object, found))) return [];
    const atPort = host.links.filter(({ linkinfo }) => linkinfo?.info_data?.port === type.port);
    if (atPort.some(({ ifname }) => isSwitchTunnel(ifname))) return [];
    const inTheWay = devices.filter(
      (device) => device === name || atPort.some(({ ifname }) => ifname === device),
    );
    const [line = ""] = makingLines(object);
    return [
      ...inTheWay.filter((device) => host.link("host", device) !== undefined).map(deletion),
      { line, what: describeObject(object), verb: "made" },
    ];
  });
}

/** Links first: with a new one all that stands on it is to be made again. */
export function linkChanges(plan: Plan, host: ObservedHost): Change[] {
  return plan.flatMap((object) => (object.kind === "link" ? changesOfLink(object, host) : []));
}

function changesOfLink(wanted: Link, host: ObservedHost): Change[] {
  const found = host.link("host", wanted.name);
  const what = describeObject(wanted);
  const making = makingLines(wanted).map((line): Change => ({ line, what, verb: "made" }));
  // Open vSwitch made it before, and nobody else can.
  if (found === undefined && wanted.type.kind !== "ovs") return making;
  if (found === undefined) return [];
  if (isOfOtherKind(wanted, found)) return [deletion(wanted.name), ...making];
  if (isAsPlanned(wanted, host)) return [];
  const words: string[] = [];
  if (wanted.mac !== undefined && wanted.mac !== found.address) words.push(`address ${wanted.mac}`);
  if (wanted.mtu !== undefined && wanted.mtu !== found.mtu) words.push(`mtu ${wanted.mtu}`);
  const size = words.length === 0 ? [] : [`link set dev ${wanted.name} ${words.join(" ")}`];
  // One that is down may be new, and lack the rest too.
  return [...size, ...upLines(wanted)].map((line) => ({ line, what, verb: "changed" }));
}

function isOfOtherKind({ type }: Link, found: ObservedLink): boolean {
  if (type.kind !== "tunnel") return false;
  return found.linkinfo?.info_kind !== type.driver || tunnelFault(type, found) !== undefined;
}

function deletion(name: string): Change {
  return { line: `link delete dev ${name}`, what: `link ${name} on the host`, verb: "removed" };
}

/** Of prefixes that are a peer's now: the kernel takes no address of its own as the next hop to somebody else. */
export function addressesInTheWay(plan: Plan, host: ObservedHost, scope: Scope): Change[] {
  const nextHops = new Set(plan.flatMap((object) => (object.kind === "route" ? (object.gateway ?? []) : [])));
  return staleAddresses(plan, host, scope, (address) => nextHops.has(address));
}

/** All but links, and what is stale last. */
export function objectChanges(plan: Plan, host: ObservedHost, scope: Scope): Change[] {
  const own = plan.filter(({ kind }) => kind === "address" || kind === "neighbour" || kind === "route");
  const blocked = new Set<PlanObject>(foreignRoutes(plan, host).map(({ wanted }) => wanted));
  const faulty = own.filter((object) => !blocked.has(object) && !isAsPlanned(object, host));
  return [
    ...faulty.flatMap((object) => changesOf(object, host)),
    ...staleRoutes(plan, host),
    ...staleOnDevices(plan, host, scope),
    ...staleDevices(plan, host, scope),
  ];
}

function changesOf(object: PlanObject, host: ObservedHost): Change[] {
  const what = describeObject(object);
  switch (object.kind) {
    case "address":
      return makingLines(object).map((line) => ({ line, what, verb: "made" }));
    case "neighbour": {
      const exists = neighboursByAddress(host.neighbours("host", object.link)).has(object.address);
      return makingLines(object).map((line) => ({ line, what, verb: exists ? "changed" : "made" }));
    }
    case "route": {
      const changes = changesOfRoute(object, host);
      const guide = nextHopRoute(object, host);
      if (guide === undefined) return changes;
      const { verb } = changes[0] ?? { verb: "made" };
      return [
        { line: `route replace ${guide}`, what, verb },
        ...changes,
        { line: `route delete ${guide}`, what, verb },
      ];
    }
    default:
      return [];
  }
}

function changesOfRoute(object: Route, host: ObservedHost): Change[] {
  const what = describeObject(object);
  const own = ownRoutesTo(object, host);
  if (own.length === 0) {
    return [{ line: routeLine(object), what, verb: "made" }];
  }
  const inTheWay = own.filter(({ dev = "" }) => isInTheWay(object, dev)).map(deletionOf);
  return [...inTheWay, routeLine(object, "replace")].map((line) => ({ line, what, verb: "changed" }));
}

/** Of this plan's own making, which a replacement takes the place of. */
function ownRoutesTo(wanted: Route, host: ObservedHost): ObservedRoute[] {
  const found = routesByDestination(host.allRoutes).get(wanted.dst) ?? [];
  return found.filter((route) => isOwnRoute(route) && (route.metric ?? 0) === metricOf(wanted));
}

/**
 * For IPv6 the kernel looks up a next hop that is onlink, finds the very route that is to be replaced, and refuses if that has another
 * link (ip6_route_check_nh_onlink in net/ipv6/route.c).
 */
export function isInTheWay({ dst, link }: Route, formerLink: string): boolean {
  return dst.includes(":") && link !== formerLink;
}

function deletionOf(route: ObservedRoute): string {
  const table = isMain(route) ? "" : ` table ${route.table}`;
  const [dst, deadEnd] = [destinationOf(route), deadEndOf(route)];
  // IPv4 may have others to the same prefix by the same link.
  const words = deadEnd === undefined ? [dst, ...hopWords(ownHop(route))] : [deadEnd, dst];
  return `route delete ${words.join(" ")} proto ${peerRouteProtocol} metric ${route.metric ?? 0}${table}`;
}

/** Of several next hops in one IPv6 route the first is known to be podwire's (isShared). */
function ownHop(route: ObservedRoute): NextHop {
  return isShared(route) ? (route.nexthops?.[0] ?? route) : route;
}

/** IP6_RT_PRIO_USER is the kernel's default for IPv6. */
function metricOf({ dst, priority }: Route): number {
  return priority ?? (dst.includes(":") ? 1024 : 0);
}

function staleRoutes(plan: Plan, host: ObservedHost): Change[] {
  const wanted = new Map(
    plan.flatMap((object) =>
      object.kind === "route" ? [[`${object.dst} ${metricOf(object)}`, object] as const] : [],
    ),
  );
  return host.allRoutes.filter(isOwnRoute).flatMap((route): Change[] => {
    const dst = destinationOf(route);
    const object = wanted.get(`${dst} ${route.metric ?? 0}`);
    if (object !== undefined && !isSurplus(route, object, host)) return [];
    const { dev } = ownHop(route);
    const words = [deadEndOf(route), "route", dst, ...(dev === undefined ? [] : [`dev ${dev}`])];
    const what = words.filter((word) => word !== undefined).join(" ");
    return [{ line: deletionOf(route), what: `${what} on the host`, verb: "removed" }];
  });
}

/** Beside the one that is wanted IPv4 may have others with its prefix and metric. */
function isSurplus(route: ObservedRoute, wanted: Route, host: ObservedHost): boolean {
  const own = ownRoutesTo(wanted, host);
  if (own.length < 2 || isShared(route)) return false;
  const isWanted = (one: ObservedRoute) =>
    (one.dev === wanted.link || wanted.isDeadEnd === true) && routeFault(wanted, [one]) === undefined;
  return !isWanted(route) && own.some(isWanted);
}

/** Neighbours and addresses that no plan wants, on devices that stay. */
function staleOnDevices(plan: Plan, host: ObservedHost, scope: Scope): Change[] {
  const wanted = placesOf("neighbour", plan);
  const neighbours = keptDevices(plan, scope).flatMap((name) =>
    host
      .neighbours("host", name)
      .filter(({ dst }) => !wanted.has(`${name} ${dst}`))
      .map(({ dst }) => removal(`neighbour delete ${dst} dev ${name}`, `neighbour ${dst} of ${name}`)),
  );
  return [...neighbours, ...staleAddresses(plan, host, scope, () => true)];
}

function staleAddresses(
  plan: Plan,
  host: ObservedHost,
  scope: Scope,
  isMeant: (local: string) => boolean,
): Change[] {
  const wanted = placesOf("address", plan);
  return keptDevices(plan, scope).flatMap((name) =>
    (host.link("host", name)?.addr_info ?? [])
      .filter(({ local }) => !local.startsWith("fe80:") && isMeant(local))
      .map(({ local, prefixlen }) => `${local}/${prefixlen}`)
      .filter((address) => !wanted.has(`${name} ${address}`))
      .map((address) => removal(`address delete ${address} dev ${name}`, `address ${address} of ${name}`)),
  );
}

function placesOf(kind: "neighbour" | "address", plan: Plan): Set<string> {
  return new Set(plan.flatMap((object) => (object.kind === kind ? `${object.link} ${object.address}` : [])));
}

function keptDevices(plan: Plan, { devices }: Scope): string[] {
  const links = new Set(plan.flatMap((object) => (object.kind === "link" ? object.name : [])));
  return devices.filter((name) => links.has(name));
}

function staleDevices(plan: Plan, host: ObservedHost, { devices }: Scope): Change[] {
  const wanted = new Set(plan.flatMap((object) => (object.kind === "link" ? object.name : [])));
  return devices
    .filter((name) => !wanted.has(name) && host.link("host", name) !== undefined)
    .map((name) => deletion(name));
}

/** UDP ports of tunnels that are there and not wanted: own devices', and of Open vSwitch the one that the filter is about. */
export function closedPorts(plan: Plan, { links, peerSets }: ObservedHost, { devices }: Scope): number[] {
  const wanted = plan.flatMap((object) => {
    if (object.kind === "ovs-port" && "port" in object.type) return [object.type.port];
    return object.kind === "link" && object.type.kind === "tunnel" ? [object.type.port] : [];
  });
  const { filter } = peerSets ?? {};
  const ofSwitch = typeof filter === "object" ? filter.port : undefined;
  const ports = links.flatMap(({ ifname, linkinfo }) => {
    const { info_kind: kind, info_data: { port = 0 } = {} } = linkinfo ?? {};
    const isOwn = devices.includes(ifname) && kind !== "stt";
    return isOwn || (isSwitchTunnel(ifname) && port === ofSwitch) ? [port] : [];
  });
  return [...new Set(ports)].filter((port) => port !== 0 && !wanted.includes(port));
}

function removal(line: string, what: string): Change {
  return { line, what: `${what} on the host`, verb: "removed" };
}
