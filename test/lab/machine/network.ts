// The lab's wires, in a network namespace of its own: one bridge that joins the nodes, and one by which they
// are controlled. Taps with vnet_hdr let a guest hand 64 KB segments to the other, as a good NIC would.
import { run } from "../host/run.ts";

/** What plays the world outside of the nodes, on the bridge between them: their default gateway. */
export const outsideAddress = "192.0.2.254";
export const outsideAddress6 = "2001:db8::fe";

export type Wire = "data" | "control";

export function addressOf(node: number): string {
  return `192.0.2.${node}`;
}

export function address6Of(node: number): string {
  return `2001:db8::${node.toString(16)}`;
}

export function controlAddressOf(node: number): string {
  return `172.31.255.${node}`;
}

/** Name of the tap in the lab's namespace. */
export function tapOf(wire: Wire, node: number): string {
  return `${wire}${node}`;
}

export function macOf(wire: Wire, node: number): string {
  return `52:54:00:00:${wire === "data" ? "01" : "02"}:${node.toString(16).padStart(2, "0")}`;
}

export async function makeNetwork(netns: string, nodes: number): Promise<void> {
  await run(["ip", "netns", "add", netns]);
  await run(["ip", "-n", netns, "-batch", "-"], { input: `${networkLines(nodes).join("\n")}\n` });
  await run(["ip", "netns", "exec", netns, "sh", "-c", withoutBridgeFilter]);
}

/** Where it is loaded it would put fragments together on their way, and make others. */
const withoutBridgeFilter = `
  for key in /proc/sys/net/bridge/bridge-nf-call-*; do [ ! -e "$key" ] || echo 0 > "$key"; done`;

/** Bytes: what nodes send with an MTU of 9000 has to pass as it is. */
const wireMtu = 9216;

function networkLines(nodes: number): string[] {
  const numbers = Array.from({ length: nodes }, (_, index) => index + 1);
  const taps = (wire: Wire) =>
    numbers.flatMap((node) => [
      `tuntap add ${tapOf(wire, node)} mode tap vnet_hdr`,
      `link set ${tapOf(wire, node)} master ${wire} mtu ${wireMtu} up`,
    ]);
  // Without snooping and spanning tree a bridge forwards from the start, multicast too.
  const bridge = (wire: Wire) => `link add ${wire} type bridge stp_state 0 forward_delay 0 mcast_snooping 0`;
  return [
    "link set lo up",
    bridge("data"),
    bridge("control"),
    // Of its own packets; else it would follow the taps.
    "link set data mtu 1500",
    "link set control mtu 1500",
    "address add 172.31.255.254/24 dev control",
    `address add ${outsideAddress}/24 dev data`,
    `address add ${outsideAddress6}/64 dev data nodad`,
    "link set data up",
    "link set control up",
    ...taps("data"),
    ...taps("control"),
  ];
}
