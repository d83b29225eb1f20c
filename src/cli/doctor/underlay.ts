// The link to the other nodes, whose MTU is that of the pods.
import { minMtuIpv6 } from "../../address/ip.ts";
import { defaultRouteLink, linkMtu, podMtu, podUnderlay } from "../../attachment/host-facts.ts";
import { minMtu } from "../../config/network.ts";
import { type Finding, fault, fine, warning } from "./finding.ts";
import { type Node, usesFamily } from "./node.ts";

export async function checkUnderlay(node: Node): Promise<Finding[]> {
  const ofNetworks = node.networks.map((network) => ({ network, link: podUnderlay(network) }));
  const links = new Set(ofNetworks.length === 0 ? [defaultRouteLink()] : ofNetworks.map(({ link }) => link));
  return [
    ...[...links].map((link) => (link === undefined ? nowhere() : size(link, linkMtu(link), node))),
    ...ofNetworks.flatMap(({ network, link }) =>
      link === undefined ? [] : tooLarge(network.name, podMtu(network), linkMtu(link), link),
    ),
  ];
}

function nowhere(): Finding {
  const breaks = "pods get an MTU of 1500, whatever the link to the other nodes carries";
  return warning("underlay", "no default route", breaks, 'set "mtu" or "overlay.underlay" in the conflist');
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
