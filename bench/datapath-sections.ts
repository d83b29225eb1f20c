// What bench:datapath measures: groups of ways that share guests, each in sections that can be measured one by one. An
// ipvlan master has one mode and looks at all that its node receives, and Open vSwitch's module turns connection tracking
// on for a whole guest: so each has guests of its own, with their own host to compare with.
import type { IpvlanMode } from "../src/plan/plan.ts";
import type { Conflist } from "../test/fixture/conflist.ts";
import { ipvlanNetwork } from "../test/lab/fixture/ipvlan.ts";
import { startOpenVswitch } from "../test/lab/fixture/open-vswitch.ts";
import { conflistFor } from "../test/lab/fixture/pod.ts";
import type { Lab } from "../test/lab/lab.ts";
import type { LabNode } from "../test/lab/machine/node.ts";
import type { Variant } from "../test/lab/measure/plan.ts";
import {
  bulk,
  bulkOnOneNode,
  bulkWork,
  datagramWork,
  messages,
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
import { benchOf, type Kind } from "./section-groups.ts";

interface Group {
  readonly between: readonly Variant[];
  readonly onOneNode: readonly Variant[];
  readonly prepare?: (lab: Lab) => Promise<void>;
}

const ports = [openVswitch("veth"), openVswitch("internal")];

const groups: Readonly<Record<string, Group>> = {
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
const kinds: Readonly<Record<string, Kind<Group>>> = {
  between: {
    title: "Between nodes, by instructions: what each end's guest executes",
    plan: ({ between }) => ({
      variants: [hostToHost, ...between],
      deterministic: [datagramWork, bulkWork],
    }),
  },
  clock: {
    title: "Between nodes, by the clock, which only shows the scale",
    plan: ({ between }) => ({ variants: [hostToHost, ...between], wallClock: [messages(1), bulk] }),
  },
  // One guest does everything, so everything can be counted.
  "one-node": {
    title: "On one node, by instructions",
    plan: ({ onOneNode }) => ({
      nodes: 1,
      variants: [hostToItself, ...onOneNode],
      deterministic: [smallMessagesSent, bulkOnOneNode],
    }),
  },
};

export const datapathBench = benchOf("datapath", groups, kinds);

function ipvlan(mode: IpvlanMode): Group {
  return pods(`ipvlan ${mode}`, (node) => ipvlanNetwork(node, mode, { ipMasq: false }));
}

function openVswitch(portType: string): Group {
  return pods(`OVS, ${portType} port`, (node) => openVswitchNetwork(node, portType));
}

/** Traffic is of IPv4 only, and so are these pods. */
export function openVswitchNetwork(node: LabNode, portType: string): Conflist {
  const ranges = [[{ subnet: `10.244.${node.number}.0/24` }]];
  const ipam = { type: "host-local", ranges, routes: [{ dst: "0.0.0.0/0" }] };
  return conflistFor(node, { datapath: "ovs", ovs: { portType }, ipam });
}

function pods(name: string, network: Network): Group {
  return {
    between: [podsOnTwoNodes(name, network, routeBetweenHosts)],
    onOneNode: [podsOnOneNode(name, network)],
  };
}
