// What bench:datapath measures: groups of ways that share guests, each in sections that can be measured one by one. An
// ipvlan master has one mode and looks at all that its node receives, and Open vSwitch's module turns connection tracking
// on for a whole guest: so each has guests of its own, with their own host to compare with.
import type { IpvlanMode } from "../src/plan/plan.ts";
import { ipvlanNetwork } from "../test/lab/fixture/ipvlan.ts";
import { startOpenVswitch } from "../test/lab/fixture/open-vswitch.ts";
import { conflistFor } from "../test/lab/fixture/pod.ts";
import type { Lab } from "../test/lab/lab.ts";
import type { Plan, Variant } from "../test/lab/measure/plan.ts";
import {
  bulk,
  bulkOnOneNode,
  bulkWork,
  datagramWork,
  smallMessages,
  smallMessagesSent,
} from "../test/lab/measure/samplings.ts";
import {
  hostToHost,
  hostToItself,
  type Network,
  podsOnOneNode,
  podsOnTwoNodes,
  routeBetweenHosts,
} from "../test/lab/measure/variants.ts";

interface Group {
  readonly between: readonly Variant[];
  readonly onOneNode: readonly Variant[];
  readonly prepare?: (lab: Lab) => Promise<void>;
}

const ports = [openVswitch("veth"), openVswitch("internal")];

/** In the order of the report. */
export const groups: Readonly<Record<string, Group>> = {
  veth: pods("veth", {}),
  "ipvlan-l2": ipvlan("l2"),
  "ipvlan-l3": ipvlan("l3"),
  "ipvlan-l3s": ipvlan("l3s"),
  ovs: {
    between: ports.flatMap(({ between }) => between),
    onOneNode: ports.flatMap(({ onOneNode }) => onOneNode),
    prepare: async ({ nodes }) => {
      for (const node of nodes) await startOpenVswitch(node);
    },
  },
};

/** Two guests that work together are not in step, so by instructions there is only what each one does. */
export const kinds: Readonly<Record<string, (group: Group) => Omit<Plan, "name">>> = {
  between: ({ between }) => ({
    variants: [hostToHost, ...between],
    deterministic: [datagramWork, bulkWork],
  }),
  clock: ({ between }) => ({ variants: [hostToHost, ...between], wallClock: [smallMessages, bulk] }),
  // One guest does everything, so everything can be counted.
  "one-node": ({ onOneNode }) => ({
    nodes: 1,
    variants: [hostToItself, ...onOneNode],
    deterministic: [smallMessagesSent, bulkOnOneNode],
  }),
};

/** "GROUP/KIND" of all, those of one kind together. */
export const sectionNames: readonly string[] = Object.keys(kinds).flatMap((kind) =>
  Object.keys(groups).map((group) => `${group}/${kind}`),
);

/** Undefined if there is none of that name. */
export function planOf(section: string): Plan | undefined {
  const [groupName = "", kind = ""] = section.split("/");
  const group = groups[groupName];
  const plan = group === undefined ? undefined : kinds[kind]?.(group);
  if (group === undefined || plan === undefined) return undefined;
  return { name: section, ...plan, ...(group.prepare === undefined ? {} : { prepare: group.prepare }) };
}

function ipvlan(mode: IpvlanMode): Group {
  return pods(`ipvlan ${mode}`, (node) => ipvlanNetwork(node, mode, { ipMasq: false }));
}

function openVswitch(portType: string): Group {
  return pods(`OVS, ${portType} port`, (node) => {
    // Traffic is of IPv4 only, and so are these pods.
    const ranges = [[{ subnet: `10.244.${node.number}.0/24` }]];
    const ipam = { type: "host-local", ranges, routes: [{ dst: "0.0.0.0/0" }] };
    return conflistFor(node, { datapath: "ovs", ovs: { portType }, ipam });
  });
}

function pods(name: string, network: Network): Group {
  return {
    between: [podsOnTwoNodes(name, network, routeBetweenHosts)],
    onOneNode: [podsOnOneNode(name, network)],
  };
}
