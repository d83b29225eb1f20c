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
  measure,
  reservedVlan,
  toDelivery,
  toHandover,
  toHost,
  toTrunk,
  trunk,
  untagged,
} from "../plan/ovs-tables.ts";
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
  const tag = pod.vlan === 0 ? "" : `${tagging(pod.vlan)},`;
  const admit = `${tag}${toDelivery}`;
  const bare = `${from},${untagged}`;
  const family = (ip: string) => (ip.includes(":") ? `ipv6,${bare}` : `ip,${bare}`);
  const source = (ip: string) => (ip.includes(":") ? `ipv6_src=${ip}` : `nw_src=${ip}`);
  const ipv4 = pod.ips.filter((ip) => !ip.includes(":"));
  const asked = pod.answersAll ? "" : `,arp_tpa=${gateways[4]}`;
  return [
    // A pod that asks for its own address looks for others that have it.
    ...ipv4.map((ip) => admission(310, `arp,${bare},arp_tpa=${ip}`, "drop")),
    ...(ipv4.length === 0 ? [] : [admission(300, `arp,${bare},arp_op=1${asked}`, arpReply(gatewayMac))]),
    ...discoveryFlows(pod, admit, `${tag}${toHost(pod.localMac)}`),
    ...(pod.antiSpoofing
      ? pod.ips.map((ip) => admission(200, `${family(ip)},dl_src=${pod.mac},${source(ip)}`, admit))
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
    ...ips.flatMap((ip) =>
      ip.includes(":")
        ? [
            trunk(10, `ipv6,ipv6_src=${ip}`, "drop"),
            trunk(10, `icmp6,icmp_type=136,icmp_code=0,nd_target=${ip}`, "drop"),
          ]
        : [trunk(10, `ip,nw_src=${ip}`, "drop"), trunk(10, `arp,arp_spa=${ip}`, "drop")],
    ),
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
  const tag = vlan === 0 ? untagged : `dl_vlan=${vlan}`;
  const untag = vlan === 0 ? "" : "pop_vlan,";
  return ips.map((ip) =>
    ip.includes(":")
      ? admission(
          300,
          `icmp6,in_port=LOCAL,${tag},icmp_type=135,icmp_code=0,nd_target=${ip}`,
          `${untag}output:${port}`,
        )
      : admission(300, `arp,in_port=LOCAL,${tag},arp_tpa=${ip},arp_op=1`, arpReply(mac)),
  );
}

/**
 * What is larger than the pod's MTU Open vSwitch would drop without a word. Pods of the bridge may have larger ones: the host
 * tells them, or puts it in fragments.
 */
function deliveryFlows({ port, mac, localMac, ips, mtu, vlan }: PodPort): OvsFlow[] {
  const tag = vlan === 0 ? untagged : `dl_vlan=${vlan}`;
  const untag = vlan === 0 ? "" : "pop_vlan,";
  const output = `output:${port}`;
  const retag = vlan === 0 ? "" : `${tagging(vlan)},`;
  const aside = `${retag}${toHost(localMac)}`;
  return [
    // From the host or an uplink; what pods send has been sorted out before.
    admission(180, `${tag},dl_dst=${mac}`, `${untag}${output}`),
    delivery(50, `${tag},dl_dst=${mac}`, `${untag}${output}`),
    ...ips.map((ip) => {
      const destination = ip.includes(":") ? `ipv6,${tag},ipv6_dst=${ip}` : `ip,${tag},nw_dst=${ip}`;
      // Without the tag, which kernel and userspace do not both count.
      return delivery(60, destination, `${untag}${measure(mtu)},set_field:${mac}->eth_dst,${toHandover}`);
    }),
    ...asideMatches.map((match) => handover(20, `${match},dl_dst=${mac}`, aside)),
    handover(10, `dl_dst=${mac}`, `set_field:${gatewayMac}->eth_src,${output}`),
  ];
}

function tagging(vlan: number): string {
  // The CFI bit says that there is a tag (ovs-fields(7), vlan_vid).
  return `push_vlan:0x8100,set_field:${4096 + vlan}->vlan_vid`;
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
