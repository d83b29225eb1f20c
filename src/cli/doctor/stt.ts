// What keeps STT from being of use: a card that does not segment TCP, one that segments UDP tunnels as well, and whatever on the way
// follows connections. The last cannot be seen from a node, but for its own connection tracking: --probe tries.
import type { OverlayConfig } from "../../config/overlay.ts";
import { type Finding, warning } from "./finding.ts";

/** `features` as `ethtool -k` lists them. */
export function sttFindings(
  { output }: Pick<OverlayConfig, "output">,
  link: string,
  features: ReadonlyMap<string, string>,
): Finding[] {
  return [
    ...(features.get("tcp-segmentation-offload") === "off" ? [withoutTso(link)] : []),
    // Without checksums in the outer UDP header tx-udp_tnl-segmentation is enough, but those are the default.
    ...(features.get("tx-udp_tnl-csum-segmentation") === "on" ? [withUdpTunnels(link)] : []),
    ...(output === "full" ? [tracked()] : []),
  ];
}

function withoutTso(link: string): Finding {
  return warning(
    "offloads",
    `${link} does not segment TCP (TSO is off)`,
    "throughput between nodes: the processor cuts up what STT leaves whole for the card",
    `ethtool -K ${link} tso on; if it cannot, geneve is as fast and passes more firewalls`,
  );
}

function withUdpTunnels(link: string): Finding {
  return warning(
    "offloads",
    `${link} segments UDP tunnels itself (tx-udp_tnl-csum-segmentation)`,
    "nothing; but geneve and vxlan may be as fast here, and need no kernel module",
    "measure both if it matters",
  );
}

function tracked(): Finding {
  return warning(
    "stt output",
    "overlay.output is full, so this node's connection tracking sees segments, and takes them for broken TCP",
    "pods do not reach those of other nodes where a rule for sent packets drops ct state invalid",
    "leave output out (notrack) unless rules of this node have to see tracked segments",
  );
}
