// The link to the other nodes, whose MTU is that of the pods.
import { defaultRouteLink, linkMtu, podMtu } from "../../attachment/host-facts.ts";
import { minMtu } from "../../config/network.ts";
import { type Finding, fault, fine, warning } from "./finding.ts";
import { type Node, usesFamily } from "./node.ts";

/** RFC 8200 section 5. */
const minMtuIpv6 = 1280;

export async function checkUnderlay(node: Node): Promise<Finding[]> {
  const link = defaultRouteLink();
  if (link === undefined) {
    const breaks = "pods get an MTU of 1500, whatever the link to the other nodes carries";
    return [
      warning("underlay", "no default route", breaks, 'set "mtu" or "overlay.underlay" in the conflist'),
    ];
  }
  const mtu = linkMtu(link);
  return [
    size(link, mtu, node),
    ...node.networks.flatMap((network) => tooLarge(network.name, podMtu(network), mtu, link)),
  ];
}

function size(link: string, mtu: number | undefined, node: Node): Finding {
  if (mtu === undefined) return fine("underlay", `${link}; its MTU is not known without IPv6, pods get 1500`);
  const least = usesFamily(6, node) ? minMtuIpv6 : minMtu;
  if (mtu >= least) return fine("underlay", `${link}, MTU ${mtu}`);
  return fault(
    "underlay",
    `${link}, MTU ${mtu}`,
    `pods need at least ${least}`,
    `ip link set ${link} mtu ${least}`,
  );
}

function tooLarge(network: string, podMtu: number, mtu: number | undefined, link: string): Finding[] {
  if (mtu === undefined || podMtu <= mtu) return [];
  const found = `pods have MTU ${podMtu}, ${link} has ${mtu}`;
  const breaks = "larger packets to other nodes are fragmented or dropped";
  return [
    warning(`MTU of network ${network}`, found, breaks, 'leave "mtu" out of the conflist, or lower it'),
  ];
}
