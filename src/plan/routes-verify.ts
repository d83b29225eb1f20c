// Compares routes of a plan with those that the kernel has. Pure.
import { withLength } from "../address/ip.ts";
import { type Fault, unequal } from "./fault.ts";
import type { ObservedRoute } from "./observe.ts";
import { isUnreachable } from "./own.ts";
import type { Encap, Route } from "./plan.ts";

export function routeFault(wanted: Route, present: readonly ObservedRoute[]): Fault | undefined {
  const candidates = (routesByDestination(present).get(wanted.dst) ?? []).filter((route) =>
    isInTable(route, wanted.table),
  );
  if (candidates.length === 0) return { expected: "the route", found: "no such route" };
  const faults = candidates.map((route) => routeDifference(wanted, route));
  return faults.includes(undefined) ? undefined : faults[0];
}

const grouped = new WeakMap<readonly ObservedRoute[], Map<string, ObservedRoute[]>>();

/** Grouped once for each list: a node has a route for each of thousands of peers. */
export function routesByDestination(routes: readonly ObservedRoute[]): Map<string, ObservedRoute[]> {
  const known = grouped.get(routes);
  if (known !== undefined) return known;
  const groups = new Map<string, ObservedRoute[]>();
  for (const route of routes) {
    const dst = destinationOf(route);
    const group = groups.get(dst);
    if (group === undefined) groups.set(dst, [route]);
    else group.push(route);
  }
  grouped.set(routes, groups);
  return groups;
}

/** Source-based routing (the sbr plugin) moves routes out of the main table to tables of its own. */
function isInTable(route: ObservedRoute, wanted: number | undefined): boolean {
  const table = tableOf(route);
  return wanted === undefined ? table !== localTable : table === wanted;
}

function routeDifference(wanted: Route, route: ObservedRoute): Fault | undefined {
  const metrics: { mtu?: number; advmss?: number } =
    route.metrics === undefined ? {} : Object.assign({}, ...route.metrics);
  const isMoved = wanted.table === undefined && tableOf(route) !== mainTable;
  if (isUnreachable(route) !== (wanted.isDeadEnd ?? false)) {
    return { expected: describeKind(wanted.isDeadEnd), found: describeKind(isUnreachable(route)) };
  }
  return (
    unequal(wanted.gateway ?? "no gateway", route.gateway ?? route.via?.host ?? "no gateway") ??
    (wanted.protocol === undefined ? undefined : unequal(wanted.protocol, Number(route.protocol))) ??
    encapFault(wanted.encap, route) ??
    (wanted.source === undefined ? undefined : unequal(wanted.source, route.prefsrc)) ??
    (wanted.priority === undefined || isMoved ? undefined : unequal(wanted.priority, route.metric ?? 0)) ??
    unequal(wanted.mtu ?? "no mtu", metrics.mtu ?? "no mtu") ??
    unequal(wanted.advmss ?? "no advmss", metrics.advmss ?? "no advmss") ??
    (wanted.scope === undefined ? undefined : unequal(wanted.scope, Number(route.scope)))
  );
}

function describeKind(isDeadEnd = false): string {
  return isDeadEnd ? "an unreachable route" : "a route that leads on";
}

function encapFault(wanted: Encap | undefined, route: ObservedRoute): Fault | undefined {
  if (wanted === undefined && route.encap === undefined) return undefined;
  const { id, encap_src: local = "", encap_dst: remote = "", csum: checksum = false } = route;
  const tos = route.tos ?? route.tc ?? 0;
  const ttl = route.ttl ?? route.hoplimit ?? 0;
  const isSame =
    wanted !== undefined &&
    route.encap !== undefined &&
    wanted.id === id &&
    wanted.local === local &&
    wanted.remote === remote &&
    wanted.checksum === checksum &&
    (wanted.tos ?? 0) === tos &&
    (wanted.ttl ?? 0) === ttl;
  if (isSame) return undefined;
  const found = route.encap === undefined ? undefined : { id: id ?? 0, local, remote, checksum, tos, ttl };
  return { expected: describeEncap(wanted), found: describeEncap(found) };
}

function describeEncap(encap: Encap | undefined): string {
  if (encap === undefined) return "no tunnel";
  const { id, local, remote, tos = 0, ttl = 0, checksum } = encap;
  return `id ${id} src ${local} dst ${remote} tos ${tos} ttl ${ttl}${checksum ? " csum" : ""}`;
}

/** RT_TABLE_MAIN and RT_TABLE_LOCAL, include/uapi/linux/rtnetlink.h */
const mainTable = 254;
const localTable = 255;

function tableOf(route: ObservedRoute): number {
  return Number(route.table ?? mainTable);
}

/** iproute2 writes "default" for an empty prefix and leaves the length of a single address away. */
export function destinationOf({ dst, pref }: ObservedRoute): string {
  if (dst === "default") return pref === undefined ? "0.0.0.0/0" : "::/0";
  return withLength(dst);
}
