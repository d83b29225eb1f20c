// Puts a host back to what was read of it, as far as it is an overlay's: for a change that failed half-way. What there was becomes a
// plan, and the plan is made again where something of it is missing.
import { ipApply } from "../linux/ip.ts";
import type { Kernel } from "../linux/kernel.ts";
import { hostHasIpv6 } from "../linux/links.ts";
import { linkChanges, newDevices, objectChanges, type Scope } from "./changes.ts";
import { deadEnd } from "./dead-end.ts";
import { peerRouteProtocol } from "./ip-lines.ts";
import type { ObservedLink, ObservedRoute } from "./observe.ts";
import { type ObservedHost, observeHost } from "./observe-host.ts";
import type { OvsMemory } from "./ovs/former.ts";
import { isMain, isOfSwitch, isOwnRoute, isUnreachable, overlayAlias } from "./own.ts";
import { readPeerSets, removePeerSets, replacePeerSets } from "./peer-sets.ts";
import type { Encap, Link, Plan, Route } from "./plan.ts";
import { destinationOf } from "./routes-verify.ts";

/** Also of what ran out of time. */
const timeoutMs = 10_000;

/** What there was, and what was to be instead. */
export interface Former {
  readonly before: ObservedHost;
  readonly ovs: OvsMemory;
  readonly failed: Plan;
}

export async function putBack(
  { before, ovs, failed }: Former,
  scope: Scope,
  { searchPath }: Pick<Kernel, "searchPath">,
): Promise<void> {
  const inTime = (): Kernel => ({ searchPath, deadline: AbortSignal.timeout(timeoutMs) });
  await putSetsBack(before, scope, inTime());
  const links = await putOvsBack({ before, ovs, failed }, scope, inTime());
  // An Open vSwitch that does not answer takes all of its own time.
  const kernel = inTime();
  const plan = [...links, ...formerPlan(before, scope)];
  for (const changes of [newDevices, linkChanges, objectChanges]) {
    const host = await observeHost(kernel);
    // Open vSwitch's are its own to take away.
    const devices = scope.devices.filter((name) => !isOfSwitch(host.link("host", name)));
    const lines = changes(plan, host, { ...scope, devices }).map(({ line }) => line);
    if (lines.length > 0) await ipApply("host", lines, kernel, true);
  }
}

/** The kernel's new devices go first: they have the names or the port. What is not of Open vSwitch comes back in any case. */
async function putOvsBack({ before, ovs, failed }: Former, scope: Scope, kernel: Kernel): Promise<Link[]> {
  const now = await observeHost(kernel);
  const lines = scope.devices
    .filter((name) => now.link("host", name) !== undefined && !isOfSwitch(now.link("host", name)))
    .filter((name) => isOfSwitch(before.link("host", name)))
    .map((name) => `link delete dev ${name}`);
  if (lines.length > 0) await ipApply("host", lines, kernel, true);
  return ovs.putBack(failed, kernel).catch(() => []);
}

async function putSetsBack({ peerSets, link }: ObservedHost, scope: Scope, kernel: Kernel): Promise<void> {
  if (peerSets === undefined || typeof peerSets.filter === "string") return;
  const { prefixes, addresses, filter } = peerSets;
  if (filter !== undefined || prefixes.size > 0) {
    const former = filter === undefined ? {} : { filter: { ...filter, addresses: [...addresses] } };
    await replacePeerSets({ kind: "peer-sets", where: "host", prefixes: [...prefixes], ...former }, kernel);
  } else if (scope.devices.every((name) => link("host", name) === undefined)) {
    // A device without sets has lost them, and is better off with those that it got now.
    await removePeerSets(await readPeerSets(kernel), kernel);
  }
}

function formerPlan(host: ObservedHost, { devices }: Pick<Scope, "devices">): Plan {
  const found = devices.flatMap((name) => host.link("host", name) ?? []);
  return [
    ...found.flatMap((link) => formerLink(link) ?? []),
    ...found.flatMap(({ ifname, addr_info }) =>
      addr_info
        .filter(({ local }) => !local.startsWith("fe80:"))
        .map(({ local, prefixlen }) => {
          const address = `${local}/${prefixlen}`;
          return { kind: "address", where: "host", link: ifname, address } as const;
        }),
    ),
    ...host.allNeighbours.flatMap(({ dev, dst, lladdr }) =>
      lladdr === undefined || !devices.includes(dev)
        ? []
        : [{ kind: "neighbour", where: "host", link: dev, address: dst, mac: lladdr } as const],
    ),
    ...host.allRoutes.filter(isOwnRoute).flatMap((route) => formerRoute(route) ?? []),
  ];
}

/** undefined for one that no overlay makes so. */
function formerLink({ ifname, address, mtu, linkinfo }: ObservedLink): Link | undefined {
  const { info_kind: driver, info_data: data = {} } = linkinfo ?? {};
  if (driver !== "vxlan" && driver !== "geneve" && driver !== "stt") return undefined;
  if (driver !== "stt" && data.external !== true) return undefined;
  const { low = 0, high = 0 } = data.port_range ?? {};
  return {
    kind: "link",
    where: "host",
    name: ifname,
    mac: address,
    mtu,
    alias: overlayAlias,
    noAutomaticAddress: hostHasIpv6(),
    type: {
      kind: "tunnel",
      driver,
      port: data.port ?? 0,
      ...(high === 0 ? {} : { sourcePorts: [low, high] as const }),
    },
  };
}

function formerRoute(route: ObservedRoute): Route | undefined {
  const gateway = route.gateway ?? route.via?.host;
  if (isUnreachable(route)) return deadEnd(destinationOf(route));
  if (route.dev === undefined) return undefined;
  const encap = formerEncap(route);
  return {
    kind: "route",
    where: "host",
    link: route.dev,
    dst: destinationOf(route),
    protocol: peerRouteProtocol,
    ...(gateway === undefined ? {} : { gateway }),
    ...(route.metric === undefined ? {} : { priority: route.metric }),
    ...(isMain(route) ? {} : { table: Number(route.table) }),
    ...(encap === undefined ? {} : { encap }),
  };
}

function formerEncap(route: ObservedRoute): Encap | undefined {
  if (route.encap === undefined) return undefined;
  const { id = 0, encap_src: local = "", encap_dst: remote = "", csum: checksum = false } = route;
  const tos = route.tos ?? route.tc ?? 0;
  const ttl = route.ttl ?? route.hoplimit ?? 0;
  return { id, local, remote, checksum, ...(tos === 0 ? {} : { tos }), ...(ttl === 0 ? {} : { ttl }) };
}
