// Sends segments from one node, past its kernel, into the tunnel of the other, and says what became of them there.
import { type Convention, packetOf, type Segment } from "../../stt-tunnel/wire.ts";
import type { Lab } from "../lab.ts";
import type { Send } from "./frames.ts";
import { type Counters, counted, type Family, loadModule, openTunnel } from "./tunnel.ts";
import { capture, pathBetween, send } from "./wire.ts";

export interface Delivery {
  /** The Ethernet frames that came out of the tunnel. */
  readonly delivered: Buffer[];
  readonly changes: Counters;
}

/** Frames for pods that only these tests know. */
const filter = "net 10.11 or net fd00:11::/32 or vlan";

/** What is sent as a segment arrives as one. */
export async function openTunnelForSegments(lab: Lab): Promise<void> {
  await loadModule(lab);
  await openTunnel(lab);
  for (const node of lab.nodes) await node.sh("ethtool -K eth0 gro off");
}

let packets = 0x1000;

/** `make` is given what turns segments into packets, with a packet id that no other call has. */
export async function deliver(
  lab: Lab,
  make: (send: Send) => readonly Buffer[],
  family: Family = 4,
): Promise<Delivery> {
  const path = pathBetween(lab.node1, lab.node2, family);
  packets += 16;
  const packetId = packets;
  const packetsOf = (segments: readonly Segment[], convention: Partial<Convention> = {}) =>
    segments.map((segment) => packetOf(path, segment, { packetId, ...convention }));
  const made = make(packetsOf);
  let changes: Counters = {};
  const delivered = await capture(lab.node2, "pw-stt", filter, async () => {
    changes = await counted(lab.node2, () => send(lab.node1, made));
  });
  return { delivered, changes };
}
