// The flows of a bridge's pods: what may come in by which port, and where packets go. Written as Open vSwitch prints
// them, so that the two can be compared.
//
// ARP is answered by flow. A neighbour solicitation cannot be turned into an advertisement by the kernel's datapath (it
// cannot change the type of an option), so it goes to the one that has the address, and to nobody else.
import { linkLocalOf } from "../address/mac.ts";
import {
  admission,
  asideMatches,
  delivery,
  handover,
  ipMatch,
  measure,
  reservedVlan,
  toDelivery,
  toHandover,
  toHost,
  toTrunk,
  trunk,
  untagged,
} from "../plan/ovs/tables.ts";
import type { OvsFlow } from "../plan/plan.ts";
import { gatewayMac } from "./host-side.ts";
import { gateways } from "./routing.ts";

export interface PodPort {
  /** Name of its port. */
  readonly port: string;
  readonly mac: string;
  /** MAC of the bridge's local port. */
  readonly localMac: string;
  readonly ips: readonly string[];
  readonly mtu: number;
  /** 0: none. */
  readonly vlan: number;
  readonly trunk: readonly number[];
  readonly antiSpoofing: boolean;
  /** Whether the pod is told that the gateway has every address, not only its own. */
  readonly answersAll: boolean;
}

/** What all pods of a bridge need: the host is the way to everything else. */
export function baseFlows(localMac: string): OvsFlow[] {
  return [
    // Pods' ports are in it. Agents of others may have the same flow at the highest priority there is (Neutron's), and theirs it stays.
    admission(65534, `dl_vlan=${reservedVlan}`, "drop"),
    // Claims of an address that Linux reads and Open vSwitch does not: ARP of another hardware type (6), and an advertisement
    // with two link-layer addresses.
    ...["arp,arp_op=0", "icmp6,icmp_type=136,icmp_code=0,nd_target=::"].map((unread) =>
      trunk(10, unread, "drop"),
    ),
    delivery(100, "dl_dst=01:00:00:00:00:00/01:00:00:00:00:00", "drop"),
    delivery(1, "", toHost(localMac)),
  ];
}

/**
 * What comes in a trunk's VLAN by no port of a pod: from the host, or an uplink. On a bridge of others that is theirs to
 * decide, which is why they are no flows of a single pod.
 */
export function trunkFlows(vlan: number): OvsFlow[] {
  return [admission(170, `dl_vlan=${vlan}`, "NORMAL")];
}

export function podFlows(pod: PodPort): OvsFlow[] {
  return [...admissionFlows(pod), ...trunkAdmission(pod), ...hostsQuestions(pod), ...deliveryFlows(pod)];
}

function admissionFlows(pod: PodPort): OvsFlow[] {
  const from = `in_port=${pod.port}`;
  const { push } = inVlan(pod.vlan);
  const admit = `${push}${toDelivery}`;
  const bare = `${from},${untagged}`;
  const ipv4 = pod.ips.filter((ip) => !ip.includes(":"));
  const asked = pod.answersAll ? "" : `,arp_tpa=${gateways[4]}`;
  return [
    // A pod that asks for its own address looks for others that have it.
    ...ipv4.map((ip) => admission(310, `arp,${bare},arp_tpa=${ip}`, "drop")),
    ...(ipv4.length === 0 ? [] : [admission(300, `arp,${bare},arp_op=1${asked}`, arpReply(gatewayMac))]),
    ...discoveryFlows(pod, admit, `${push}${toHost(pod.localMac)}`),
    ...(pod.antiSpoofing
      ? pod.ips.map((ip) => admission(200, ipMatch(ip, "src", bare, `dl_src=${pod.mac}`), admit))
      : ["ip", "ipv6"].map((each) => admission(200, `${each},${bare}`, admit))),
    admission(190, from, "drop"),
  ];
}

/**
 * Which addresses a pod has in the VLANs of its trunk is not known here, so that only what it certainly does not have can be
 * kept from it: another MAC, and the addresses of all pods of the bridge, by which the host would know it.
 */
function trunkAdmission({ port, mac, ips, trunk: vlans, antiSpoofing }: PodPort): OvsFlow[] {
  return [
    ...vlans.flatMap((vlan) => {
      const from = `in_port=${port},dl_vlan=${vlan}`;
      return antiSpoofing
        ? [admission(250, `${from},dl_src=${mac}`, toTrunk), trunk(1, from, "NORMAL")]
        : [admission(250, from, "NORMAL")];
    }),
    ...ips.flatMap((ip) => {
      const claim = ip.includes(":")
        ? `icmp6,icmp_type=136,icmp_code=0,nd_target=${ip}`
        : `arp,arp_spa=${ip}`;
      return [ipMatch(ip, "src"), claim].map((match) => trunk(10, match, "drop"));
    }),
  ];
}

/**
 * Neighbour discovery of IPv6. What a pod says of itself is passed on, what it says of others is not: the host would
 * believe it (RFC 4861 section 7.2.3 and 7.2.5).
 */
function discoveryFlows(pod: PodPort, admit: string, toGateway: string): OvsFlow[] {
  const ips = pod.ips.filter((ip) => ip.includes(":"));
  const from = `icmp6,in_port=${pod.port},${untagged}`;
  const gateway = `icmp_type=135,icmp_code=0,nd_target=${gateways[6]}`;
  if (!pod.antiSpoofing) {
    return [
      ...(ips.length === 0 ? [] : [admission(300, `${from},${gateway}`, toGateway)]),
      // A pod must not advertise itself as the host's router: the host may listen on a bridge of others.
      admission(290, `${from},icmp_type=134`, "drop"),
    ];
  }
  if (ips.length === 0) return [];
  const own = `${from},dl_src=${pod.mac}`;
  return [
    // Of other addresses a pod could have any number, each an entry in the host's table of neighbours.
    ...[...ips, linkLocalOf(pod.mac)].map((source) =>
      admission(300, `${own},ipv6_src=${source},${gateway},nd_sll=${pod.mac}`, toGateway),
    ),
    // One that was asked by its MAC need not say it (RFC 4861 section 7.2.4).
    ...ips.flatMap((ip) =>
      [pod.mac, "00:00:00:00:00:00"].map((said) =>
        admission(
          300,
          `${own},ipv6_src=${ip},icmp_type=136,icmp_code=0,nd_target=${ip},nd_tll=${said}`,
          admit,
        ),
      ),
    ),
    ...[135, 136].map((type) => admission(290, `${from},icmp_type=${type}`, "drop")),
  ];
}

/** The host knows its pods by permanent neighbour entries, which the kernel drops when a link goes down. */
function hostsQuestions({ port, ips, mac, vlan }: PodPort): OvsFlow[] {
  const { match, pop } = inVlan(vlan);
  return ips.map((ip) =>
    ip.includes(":")
      ? admission(
          300,
          `icmp6,in_port=LOCAL,${match},icmp_type=135,icmp_code=0,nd_target=${ip}`,
          `${pop}output:${port}`,
        )
      : admission(300, `arp,in_port=LOCAL,${match},arp_tpa=${ip},arp_op=1`, arpReply(mac)),
  );
}

/**
 * What is larger than the pod's MTU Open vSwitch would drop without a word. Pods of the bridge may have larger ones: the host
 * tells them, or puts it in fragments.
 */
function deliveryFlows({ port, mac, localMac, ips, mtu, vlan }: PodPort): OvsFlow[] {
  const { match, pop, push } = inVlan(vlan);
  const output = `output:${port}`;
  // Without the tag, which kernel and userspace do not both count.
  const deliver = `${pop}${measure(mtu)},set_field:${mac}->eth_dst,${toHandover}`;
  return [
    // From the host or an uplink; what pods send has been sorted out before.
    admission(180, `${match},dl_dst=${mac}`, `${pop}${output}`),
    delivery(50, `${match},dl_dst=${mac}`, `${pop}${output}`),
    ...ips.map((ip) => delivery(60, ipMatch(ip, "dst", match), deliver)),
    ...asideMatches.map((aside) => handover(20, `${aside},dl_dst=${mac}`, `${push}${toHost(localMac)}`)),
    handover(10, `dl_dst=${mac}`, `set_field:${gatewayMac}->eth_src,${output}`),
  ];
}

interface InVlan {
  /** What tells its packets. */
  readonly match: string;
  /** Actions that take its tag off or put it on, to stand before others. */
  readonly pop: string;
  readonly push: string;
}

/** 0: none. */
function inVlan(vlan: number): InVlan {
  if (vlan === 0) return { match: untagged, pop: "", push: "" };
  // The CFI bit says that there is a tag (ovs-fields(7), vlan_vid).
  const push = `push_vlan:0x8100,set_field:${4096 + vlan}->vlan_vid,`;
  return { match: `dl_vlan=${vlan}`, pop: "pop_vlan,", push };
}

/** Turns a request round: whoever was asked for is at `mac`. */
function arpReply(mac: string): string {
  return [
    "move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[]",
    `set_field:${mac}->eth_src`,
    "set_field:2->arp_op",
    "move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[]",
    `set_field:${mac}->arp_sha`,
    "move:NXM_OF_ARP_SPA[]->NXM_NX_REG0[]",
    "move:NXM_OF_ARP_TPA[]->NXM_OF_ARP_SPA[]",
    "move:NXM_NX_REG0[]->NXM_OF_ARP_TPA[]",
    "IN_PORT",
  ].join(",");
}
