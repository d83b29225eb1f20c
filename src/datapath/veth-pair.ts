// The two ends of a pod's veth pair: the host's, which makes it, and the pod's.
import type { Link, PodObject } from "../plan/plan.ts";
import type { AttachmentName, Wiring } from "./datapath.ts";
import { gatewayMac, hasIpv6Settings } from "./host-side.ts";
import { derivedMac, hostLinkName, linkAlias } from "./names.ts";

export function vethPair(name: AttachmentName, podMac: string, mtu: number): { host: Link; pod: Link } {
  const host = { name: hostLinkName(name), mac: gatewayMac, mtu };
  const pod = { name: name.ifname, mac: podMac, mtu };
  return {
    host: {
      kind: "link",
      where: "host",
      ...host,
      alias: linkAlias(name),
      type: { kind: "veth", makesPair: true, peer: { where: "pod", ...pod } },
    },
    pod: {
      kind: "link",
      where: "pod",
      ...pod,
      type: { kind: "veth", makesPair: false, peer: { where: "host", ...host } },
    },
  };
}

/** By which the pair of an attachment is removed. */
export function pairTrace(name: AttachmentName): Link {
  return vethPair(name, derivedMac(name), 1500).host;
}

/**
 * Of the host's end that is a port of a switch. While the port is lost, what the pod sends is the host's, which would route it
 * whatever its source. After ip_forward, which sets all links'. rp_filter would not do: udev sets it on new links as systemd
 * has it (sysctl.d), which is the loose one.
 */
export function ownedBySwitch(wiring: Wiring, { name }: Link): PodObject[] {
  return [
    yielding(`net/ipv4/conf/${name}/forwarding`, "0"),
    ...(hasIpv6Settings(wiring, wiring.mtu) ? [yielding(`net/ipv6/conf/${name}/disable_ipv6`, "1")] : []),
  ];
}

function yielding(key: string, value: string): PodObject {
  return { kind: "sysctl", where: "host", key, value, yielding: true };
}
