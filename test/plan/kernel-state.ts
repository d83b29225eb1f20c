// A kernel's state as plain data that can be changed, in the words in which iproute2 reports it.

import type { Observed, ObservedLink, ObservedNeighbour, ObservedRoute } from "../../src/plan/observe.ts";
import { noOvs } from "../../src/plan/ovs/observe.ts";
import type { Plan, Route, Where } from "../../src/plan/plan.ts";

type Changeable<T> = { -readonly [K in keyof T]: Changeable<T[K]> };

interface LinkState {
  readonly link: Changeable<ObservedLink>;
  readonly routes: Changeable<ObservedRoute>[];
  readonly neighbours: Changeable<ObservedNeighbour>[];
}

interface Side {
  readonly links: Record<string, LinkState>;
  readonly settings: Record<string, string>;
}

export interface KernelState {
  readonly host: Side;
  readonly pod: Side;
  readonly masquerade: {
    active: boolean;
    readonly sources: Set<string>;
    readonly direct: Set<string>;
    readonly shortcuts: Set<string>;
    readonly hairpins: Map<string, readonly string[]>;
  };
}

/** What a kernel has after the plan was applied to it. */
export function kernelAsPlanned(plan: Plan): KernelState {
  const state: KernelState = {
    host: { links: {}, settings: {} },
    pod: { links: {}, settings: {} },
    masquerade: {
      active: false,
      sources: new Set(),
      direct: new Set(),
      shortcuts: new Set(),
      hairpins: new Map(),
    },
  };
  // A link may be there, and have addresses, before it is brought up.
  const links = plan.filter(({ kind }) => kind === "link");
  for (const object of [...links, ...plan.filter(({ kind }) => kind !== "link")]) {
    const { links, settings } = state[object.where];
    switch (object.kind) {
      case "link": {
        const { name: ifname, mac: address = "", mtu = 0, type } = object;
        const flags = ["BROADCAST", "UP", "LOWER_UP"];
        const linkinfo = { info_kind: type.kind };
        const link = { ifname, ifindex: 2, address, mtu, flags, linkinfo, addr_info: [] };
        links[ifname] = { link, routes: [], neighbours: [] };
        break;
      }
      case "address": {
        const [local = "", length] = object.address.split("/");
        links[object.link]?.link.addr_info.push({ local, prefixlen: Number(length), scope: "0" });
        break;
      }
      case "route":
        links[object.link]?.routes.push(reported(object));
        break;
      case "neighbour":
        links[object.link]?.neighbours.push({
          dst: object.address,
          lladdr: object.mac,
          state: ["PERMANENT"],
        });
        break;
      case "sysctl":
        settings[object.key] = object.value;
        break;
      case "masquerade":
        state.masquerade.active = true;
        for (const source of object.sources) state.masquerade.sources.add(source);
        for (const prefix of object.direct) state.masquerade.direct.add(prefix);
        for (const link of object.shortcuts ?? []) state.masquerade.shortcuts.add(link);
        if (object.hairpin) state.masquerade.hairpins.set(object.hairpin.link, object.hairpin.sources);
    }
  }
  return state;
}

export function observed({ host, pod, masquerade }: KernelState): Observed {
  const side = (where: Where) => (where === "host" ? host : pod);
  return {
    link: (where, name) => side(where).links[name]?.link,
    routes: (where, link) => side(where).links[link]?.routes ?? [],
    neighbours: (where, link) => side(where).links[link]?.neighbours ?? [],
    sysctl: (where, key) => side(where).settings[key],
    masquerade: () => ({
      ...masquerade,
      hasHairpinSources: masquerade.active,
      hairpinSources: (link) => masquerade.hairpins.get(link) ?? [],
    }),
    ovs: noOvs,
  };
}

/** As by `ip -json -details -Numeric route show`: a single address has no length, 0 no metric. */
function reported({
  dst,
  gateway,
  mtu,
  advmss,
  priority,
  table,
  scope = 0,
}: Route): Changeable<ObservedRoute> {
  const isIpv6 = dst.includes(":");
  const metrics = { ...(mtu && { mtu }), ...(advmss && { advmss }) };
  return {
    dst: /^(0\.0\.0\.0|::)\/0$/.test(dst) ? "default" : dst.replace(isIpv6 ? /\/128$/ : /\/32$/, ""),
    ...(gateway && { gateway }),
    table: String(table ?? 254),
    scope: String(scope),
    ...(isIpv6 && { pref: "medium" }),
    ...(priority && { metric: priority }),
    ...(Object.keys(metrics).length > 0 && { metrics: [metrics] }),
  };
}
