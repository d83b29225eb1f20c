// Tunnels between the lab's nodes by the kernel's own means, in one pair of guests: a link for each, and routes for the
// pods that are measured by it, so that what is compared is the kernel's work and no more.
import { LabError } from "../failure.ts";
import { conflistFor, type Pod, pod } from "../fixture/pod.ts";
import { ping } from "../fixture/traffic.ts";
import type { LabNode } from "../machine/node.ts";
import type { Variant } from "./plan.ts";

export interface Tunnel {
  readonly name: string;
  /** Of the pods: what fits into a packet of the underlay. */
  readonly mtu: number;
  /** Makes the link; nothing for what needs none. */
  link(node: LabNode): string;
  /** How `target`, a pod of the other node, is reached. */
  route(target: Pod): string;
}

export const hostGateway: Tunnel = {
  name: "host-gw",
  mtu: 1500,
  link: () => "",
  route: ({ address, node }) => `ip route replace ${address} via ${node.address}`,
};

export const vxlan = udpTunnel("vxlan", 1450, "external dstport 4789");
export const geneve = udpTunnel("geneve", 1450, "external");

/** Without OPTIONS; several links, each with a port of its own, can be there at once. */
export function stt(output: "full" | "notrack" | "none", port: number): Tunnel {
  const link = `stt-${output}`;
  return {
    name: `stt, ${output}`,
    mtu: 1428,
    link: () => `podwire-stt-ctl add ${link} port ${port} output ${output}; ip link set ${link} up`,
    route: ({ address, node }) =>
      `ip route replace ${address} encap ip id 100 dst ${node.address} dev ${link}`,
  };
}

function udpTunnel(kind: string, mtu: number, options: string): Tunnel {
  const mac = (node: LabNode) => `02:00:00:00:00:0${node.number}`;
  return {
    name: kind,
    mtu,
    link: (node) => `
      ip link add ${kind}0 address ${mac(node)} mtu ${mtu} type ${kind} ${options}
      ip link set ${kind}0 up`,
    route: ({ address, node }) => `
      ip neigh replace ${address} lladdr ${mac(node)} dev ${kind}0 nud permanent
      ip route replace ${address} encap ip id 100 dst ${node.address} dev ${kind}0`,
  };
}

/** One pod on each node, that only this tunnel joins. */
export function podsBy({ name, mtu, link, route }: Tunnel): Variant {
  return {
    name,
    prepare: async ({ node1, node2 }) => {
      const make = async (node: LabNode) => {
        await node.sh(link(node));
        return pod(node, conflistFor(node, { mtu, timeout: 300 }));
      };
      const [from, to] = await Promise.all([make(node1), make(node2)]);
      await Promise.all([node1.sh(route(to)), node2.sh(route(from))]);
      await ping(from, to, { count: 1 });
      return { from, to };
    },
  };
}

/**
 * Tunnels are compared where a card segments TCP and no UDP tunnels: with both, or none, the comparison is another one.
 */
export async function requireTcpSegmentationAlone(node: LabNode): Promise<void> {
  const features = await node.sh("ethtool -k eth0");
  for (const [feature, wanted] of [
    ["tcp-segmentation-offload", "on"],
    ["tx-udp_tnl-segmentation", "off"],
    ["tx-udp_tnl-csum-segmentation", "off"],
  ] as const) {
    if (new RegExp(`^\\s*${feature}: ${wanted}\\b`, "m").test(features)) continue;
    throw new LabError(
      `${node.name}: \`ethtool -k eth0\` does not say "${feature}: ${wanted}", and the figures would be of another case`,
      features,
    );
  }
}
