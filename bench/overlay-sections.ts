// What bench:overlay-lab measures: the overlays between two nodes. By the clock in the same guests by turns, because what differs
// between two runs is the host's load. A node has one overlay at a time, so each turn begins with `podwire apply`. Pods on an
// overlay's own device go with it, and so have guests of their own, as has each way by instructions, where nothing is to be shared.

import { startOpenVswitch } from "../test/lab/fixture/open-vswitch.ts";
import { applyOverlay, type LabOverlay, overlayNetwork, withdraw } from "../test/lab/fixture/overlay.ts";
import { pod } from "../test/lab/fixture/pod.ts";
import type { Lab } from "../test/lab/lab.ts";
import type { Timing } from "../test/lab/machine/qemu.ts";
import { requests, requestWork } from "../test/lab/measure/http.ts";
import type { Plan, Sampling, Variant } from "../test/lab/measure/plan.ts";
import { bulk, bulkOfEight, bulkWork, datagramWork, messages } from "../test/lab/measure/samplings.ts";
import { hostToHost, inReach } from "../test/lab/measure/variants.ts";
import { benchOf, type Kind } from "./section-groups.ts";

interface Group {
  readonly variants: readonly Variant[];
  readonly timings: readonly Timing[];
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

const ways: Readonly<Record<string, Variant>> = {
  "ipvlan-host-gw": pods("host-gw, ipvlan l3s", { type: "host-gw", network: ipvlan }),
  "host-gw": pods("host-gw, veth", { type: "host-gw" }),
  vxlan: pods("vxlan, veth", { type: "vxlan" }),
  geneve: pods("geneve, veth", { type: "geneve" }),
};
/** What `udpcsum` has its default by. */
const waysWithoutChecksums: Readonly<Record<string, Variant>> = {
  "vxlan-bare": pods("vxlan, veth, no outer checksums", { type: "vxlan", overlay: { udpcsum: false } }),
  "geneve-bare": pods("geneve, veth, no outer checksums", { type: "geneve", overlay: { udpcsum: false } }),
};
const waysOnDevices: Readonly<Record<string, Variant>> = {
  "ipvlan-vxlan": pods("vxlan, ipvlan l3s", { type: "vxlan", network: ipvlan }),
  "ipvlan-geneve": pods("geneve, ipvlan l3s", { type: "geneve", network: ipvlan }),
};

const waysOfOvs: Readonly<Record<string, Variant>> = {
  "ovs-vxlan": pods("vxlan, OVS", { type: "vxlan", network: { datapath: "ovs" } }),
  "ovs-geneve": pods("geneve, OVS", { type: "geneve", network: { datapath: "ovs" } }),
};

/** In the order of the report. */
const groups: Readonly<Record<string, Group>> = {
  turns: { variants: [bareHost, ...Object.values(ways)], timings: ["wall-clock"] },
  ...alone({ ...ways, ...waysWithoutChecksums }, ["instructions"]),
  ...alone(waysOnDevices, ["instructions", "wall-clock"]),
  // The module turns connection tracking on for a whole guest.
  ...alone(waysOfOvs, ["instructions", "wall-clock"], async ({ nodes }) => {
    for (const node of nodes) await startOpenVswitch(node);
  }),
};

/** By instructions is what is judged; the clock only shows the scale. */
const kinds: Readonly<Record<string, Kind<Group>>> = {
  datagrams: counted("Datagrams of 1 byte, by instructions: what each end's guest executes", [datagramWork]),
  transfers: counted("TCP, by instructions", [bulkWork]),
  requests: counted("HTTP, by instructions", [requestWork(100), requestWork(4096)]),
  bulk: timed("TCP of one and of 8 streams, by the clock", [bulk, bulkOfEight]),
  messages: timed("Messages of 1 byte and of 1 KB, by the clock", [messages(1), messages(1024)]),
  "http-100": http(100),
  "http-4096": http(4096),
};

export const overlayBench = benchOf("overlay-lab", groups, kinds);

/** Each beside the host, and without turns: what is counted is the same from one start of guests to another. */
function alone(
  variants: Readonly<Record<string, Variant>>,
  timings: readonly Timing[],
  prepareGuests?: Group["prepare"],
): Readonly<Record<string, Group>> {
  const groupOf = ({ name, prepare }: Variant): Group => ({
    variants: [hostToHost, { name, prepare }],
    timings,
    ...(prepareGuests === undefined ? {} : { prepare: prepareGuests }),
  });
  return Object.fromEntries(Object.entries(variants).map(([name, way]) => [name, groupOf(way)]));
}

function measured(
  title: string,
  timing: Timing,
  measurements: Pick<Plan, "deterministic" | "wallClock">,
): Kind<Group> {
  return {
    title,
    plan: ({ variants, timings }) => (timings.includes(timing) ? { variants, ...measurements } : undefined),
  };
}

function counted(title: string, deterministic: readonly Sampling[]): Kind<Group> {
  return measured(title, "instructions", { deterministic });
}

function timed(title: string, wallClock: readonly Sampling[]): Kind<Group> {
  return measured(title, "wall-clock", { wallClock });
}

function http(bytes: number): Kind<Group> {
  return timed(`HTTP with bodies of ${bytes} bytes, by the clock`, [requests(bytes)]);
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
