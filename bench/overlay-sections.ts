// What bench:overlay-lab measures: the overlays between two nodes, by turns in the same guests, because what one run says of
// another's way is the host's load. A node has one overlay at a time, so each turn begins with `podwire apply`. Pods on an overlay's
// own device go with it, and so have guests of their own.
import { applyOverlay, type LabOverlay, overlayNetwork, withdraw } from "../test/lab/fixture/overlay.ts";
import { pod } from "../test/lab/fixture/pod.ts";
import type { Lab } from "../test/lab/lab.ts";
import { requests, requestWork } from "../test/lab/measure/http.ts";
import type { Variant } from "../test/lab/measure/plan.ts";
import { bulk, bulkOfEight, bulkWork, datagramWork, messages } from "../test/lab/measure/samplings.ts";
import { hostToHost, inReach } from "../test/lab/measure/variants.ts";
import { benchOf, type Kind } from "./section-groups.ts";

interface Group {
  readonly variants: readonly Variant[];
  readonly prepare?: (lab: Lab) => Promise<void>;
}

/** Without an overlay: a tunnel's filter would be in the way of what the host receives. */
const bareHost: Variant = {
  ...hostToHost,
  begin: async ({ nodes }) => {
    await Promise.all(nodes.map(withdraw));
  },
};

const ipvlan = { datapath: "ipvlan", ipvlan: { mode: "l3s" } };

/** In the order of the report. */
const groups: Readonly<Record<string, Group>> = {
  kernel: {
    variants: [
      bareHost,
      pods("host-gw, ipvlan l3s", { type: "host-gw", network: ipvlan }),
      pods("host-gw, veth", { type: "host-gw" }),
      pods("vxlan, veth", { type: "vxlan" }),
      pods("geneve, veth", { type: "geneve" }),
    ],
  },
  "ipvlan-vxlan": { variants: [hostToHost, pods("vxlan, ipvlan l3s", { type: "vxlan", network: ipvlan })] },
  "ipvlan-geneve": {
    variants: [hostToHost, pods("geneve, ipvlan l3s", { type: "geneve", network: ipvlan })],
  },
};

/** By instructions is what is judged; the clock only shows the scale. */
const kinds: Readonly<Record<string, Kind<Group>>> = {
  work: {
    title: "By instructions: what each end's guest executes",
    plan: ({ variants }) => ({
      variants,
      deterministic: [datagramWork, bulkWork, requestWork(100), requestWork(4096)],
    }),
  },
  bulk: {
    title: "TCP of one and of 8 streams, by the clock",
    plan: ({ variants }) => ({ variants, wallClock: [bulk, bulkOfEight] }),
  },
  messages: {
    title: "Messages of 1 byte and of 1 KB, by the clock",
    plan: ({ variants }) => ({ variants, wallClock: [messages(1), messages(1024)] }),
  },
  "http-100": http(100),
  "http-4096": http(4096),
};

export const overlayBench = benchOf("overlay-lab", groups, kinds);

function http(bytes: number): Kind<Group> {
  return {
    title: `HTTP with bodies of ${bytes} bytes, by the clock`,
    plan: ({ variants }) => ({ variants, wallClock: [requests(bytes)] }),
  };
}

function pods(name: string, overlay: LabOverlay): Variant {
  return {
    name,
    // ADD applies the overlay of its conflist.
    prepare: async (lab) => {
      const { node1, node2 } = lab;
      const from = await pod(node1, overlayNetwork(lab, node1, overlay));
      return inReach(from, await pod(node2, overlayNetwork(lab, node2, overlay)));
    },
    begin: async (lab) => {
      await Promise.all(lab.nodes.map((node) => applyOverlay(node, overlayNetwork(lab, node, overlay))));
    },
  };
}
