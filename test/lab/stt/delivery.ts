// Sends segments from one node, past its kernel, into the tunnel of the other, and says what became of them there.

import { beforeAll } from "vitest";
import { type Convention, packetOf, type Segment } from "../../stt-tunnel/wire.ts";
import type { Lab } from "../lab.ts";
import type { Send } from "./frames.ts";
import { type Counters, counted, type Family, loadModule, openTunnel } from "./tunnel.ts";
import { openTap, pathBetween, send, type Tap } from "./wire.ts";

export interface Delivery {
  /** The Ethernet frames that came out of the tunnel. */
  readonly delivered: Buffer[];
  readonly changes: Counters;
}

/** Frames for pods that only these tests know. */
const filter = "net 10.11 or net fd00:11::/32 or vlan";

export type Deliver = (make: (send: Send) => readonly Buffer[], family?: Family) => Promise<Delivery>;

/** For the top of a suite. What is sent as a segment arrives as one. */
export function tunnelForSegments(lab: Lab): Deliver {
  let tap: Tap;
  let packets = 0x1000;
  beforeAll(async () => {
    await loadModule(lab);
    await openTunnel(lab);
    for (const node of lab.nodes) await node.sh("ethtool -K eth0 gro off");
    tap = await openTap(lab.node2, "pw-stt", filter);
  }, 600_000);
  // Each call of `make` is given what turns segments into packets, with a packet id that no other call has.
  return async (make, family = 4) => {
    const path = pathBetween(lab.node1, lab.node2, family);
    packets += 16;
    const packetId = packets;
    const packetsOf = (segments: readonly Segment[], convention: Partial<Convention> = {}) =>
      segments.map((segment) => packetOf(path, segment, { packetId, ...convention }));
    const changes = await counted(lab.node2, () => send(lab.node1, make(packetsOf)));
    return { delivered: await tap.read(changes["rx_frames"] ?? 0), changes };
  };
}
