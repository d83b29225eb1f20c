// Ready variants. A datapath or an overlay that is to be measured is one more line here: pods by an entry of the
// conflist, and what connects the nodes.
import type { Conflist } from "../../fixture/conflist.ts";
import { conflistFor, type Pod, pod } from "../fixture/pod.ts";
import { ping } from "../fixture/traffic.ts";
import type { Lab } from "../lab.ts";
import type { Endpoint, LabNode } from "../machine/node.ts";
import type { Ends, Variant } from "./plan.ts";

/** Keys of podwire's entry in the conflist, or where these do not do, a node's whole conflist. */
export type Network = Readonly<Record<string, unknown>> | ((node: LabNode) => Conflist);

export const hostToHost: Variant = {
  name: "host",
  prepare: async ({ node1, node2 }) => ({ from: node1, to: node2 }),
};

export const hostToItself: Variant = {
  name: "host, to itself",
  prepare: async ({ node1 }) => ({ from: node1, to: node1 }),
};

/** What network namespaces cost by themselves: two of them on one veth pair, with nothing that routes. */
export const namespacesOnOnePair: Variant = {
  name: "namespaces on one veth pair",
  prepare: async ({ node1 }) => {
    await node1.sh(`
      for name in end1 end2; do ip netns add $name; ip -n $name link set lo up; done
      ip -n end1 link add eth0 type veth peer name eth0 netns end2
      for number in 1 2; do
        ip -n end$number address add 198.51.100.$number/24 dev eth0
        ip -n end$number link set eth0 up
      done`);
    return {
      from: inNamespace(node1, "end1", "198.51.100.1"),
      to: inNamespace(node1, "end2", "198.51.100.2"),
    };
  },
};

export const vethOnOneNode = podsOnOneNode("veth, one node", {});
export const vethByHostRoutes = podsOnTwoNodes("veth, host-gw", {}, routeBetweenHosts);

/** Two pods of one node. */
export function podsOnOneNode(name: string, network: Network): Variant {
  return {
    name,
    prepare: async ({ node1 }) => {
      const from = await pod(node1, conflistOf(node1, network));
      return inReach(from, await pod(node1, conflistOf(node1, network)));
    },
  };
}

/** One pod each of two nodes, which `connect` joins. */
export function podsOnTwoNodes(
  name: string,
  network: Network,
  connect: (lab: Lab) => Promise<void>,
): Variant {
  return {
    name,
    prepare: async (lab) => {
      const from = await pod(lab.node1, conflistOf(lab.node1, network));
      const to = await pod(lab.node2, conflistOf(lab.node2, network));
      await connect(lab);
      return inReach(from, to);
    },
  };
}

function conflistOf(node: LabNode, network: Network): Conflist {
  return typeof network === "function" ? network(node) : conflistFor(node, network);
}

/** The first packet is the one that resolves neighbours and asks Open vSwitch for its flow. */
export async function inReach(from: Pod, to: Pod): Promise<Ends> {
  await ping(from, to, { count: 1 });
  return { from, to };
}

/** A route to each other node's pods, as an administrator would set it. */
export async function routeBetweenHosts({ nodes }: Lab): Promise<void> {
  for (const node of nodes) {
    const others = nodes.filter((other) => other !== node);
    const lines = others.map(
      ({ number, address }) => `ip route replace 10.244.${number}.0/24 via ${address}`,
    );
    await node.sh(lines.join("\n"));
  }
}

function inNamespace(node: LabNode, name: string, address: string): Endpoint {
  return {
    name: `${name} on ${node.name}`,
    address,
    sh: (script, options) =>
      node.sh(`exec ip netns exec ${name} bash -e -o pipefail -c "$SCRIPT"`, {
        ...options,
        env: { ...options?.env, SCRIPT: script },
      }),
  };
}
