// The two ends of a pod's veth pair: the host's, which makes it, and the pod's.
import type { Link } from "../plan/plan.ts";
import type { AttachmentName } from "./datapath.ts";
import { gatewayMac } from "./host-side.ts";
import { hostLinkName, linkAlias } from "./names.ts";

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
