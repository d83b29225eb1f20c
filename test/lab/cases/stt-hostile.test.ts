// What others may send to the STT module: another implementation's choices, accidents of the network, lies, floods.
// Frames are made here and sent from the other node past its kernel; a capture on the link tells what was delivered.
import { beforeAll, describe, expect, test } from "vitest";
import { type Path, tcpFrame, udpFrame } from "../../stt-tunnel/packets.ts";
import { type Convention, cut, packetOf, type Segment, sttFlags, sttFrame } from "../../stt-tunnel/wire.ts";
import { isFull, testedKernels } from "../fixture/kernels.ts";
import { cannotRunLab, sharedLab } from "../fixture/shared-lab.ts";
import { ping, transfer } from "../fixture/traffic.ts";
import { type Counters, counted, counters, endOf, loadModule, openTunnel } from "../stt/tunnel.ts";
import { capture, fragments, pathBetween, send } from "../stt/wire.ts";

const { verified, partial, ipv4, tcp } = sttFlags;

/** Nobody has the target's address, so that nobody answers. */
const inside: Path = {
  sourceMac: "ee:70:77:73:74:74",
  targetMac: "ee:70:77:73:74:74",
  source: "10.11.0.1",
  target: "10.11.0.2",
};
const inside6: Path = { ...inside, source: "fd00:11::1", target: "fd00:11::2" };

let frames = 0;
/** Content that no other frame has. */
function content(length: number): Buffer {
  const bytes = Buffer.alloc(length, `frame ${++frames} `);
  for (let at = 0; at < length; at += 97) bytes[at] = at % 251;
  return bytes;
}

type Send = (segments: readonly Segment[], convention?: Partial<Convention>) => Buffer[];

/** A frame of several segments, none of which says anything of offloads. */
const large = () => udpFrame(inside, content(5000));
const pieces = (frame: Buffer, size = 1400) => cut(sttFrame(frame), size);
const one = (frame: Buffer) => pieces(frame, 65535);
const reversed = <T>(list: readonly T[]) => list.toReversed();

describe.skipIf(cannotRunLab("hostile STT")).each(testedKernels)("STT on kernel %s", (kernel) => {
  const lab = sharedLab({ kernel });
  beforeAll(async () => {
    await loadModule(lab);
    await openTunnel(lab);
    // What was sent as a segment must arrive as one.
    for (const node of lab.nodes) await node.sh("ethtool -K eth0 gro off");
  }, 600_000);

  let packets = 0x1000;
  /** Sends what `make` makes of a way to the other node; returns what was delivered there, and what was counted. */
  const deliver = async (make: (send: Send) => readonly Buffer[], family: 4 | 6 = 4) => {
    const path = pathBetween(lab.node1, lab.node2, family);
    packets += 16;
    const packetId = packets;
    const made = make((segments, convention = {}) =>
      segments.map((segment) => packetOf(path, segment, { packetId, ...convention })),
    );
    let changes: Counters = {};
    const filter = "net 10.11 or net fd00:11::/32 or vlan";
    const delivered = await capture(lab.node2, "pw-stt", filter, async () => {
      changes = await counted(lab.node2, () => send(lab.node1, made));
    });
    return { delivered, changes };
  };

  describe.each([4, 6] as const)("over IPv%i", (family) => {
    const whole: readonly [string, (send: Send, segments: Segment[]) => readonly Buffer[]][] = [
      ["in order", (send, segments) => send(segments)],
      ["backwards", (send, segments) => send(reversed(segments))],
      ["the odd ones first", (send, s) => send([1, 3, 0, 2].map((index) => s[index] as Segment))],
      ["each of them twice", (send, segments) => send(segments.flatMap((segment) => [segment, segment]))],
      ["all but the last twice, backwards", (send, s) => send([...reversed(s.slice(0, -1)), ...reversed(s)])],
      ["from a low source port", (send, segments) => send(segments, { sourcePort: 1 })],
      ["from the tunnel's own port", (send, segments) => send(segments, { sourcePort: 7471 })],
      ["without PSH", (send, segments) => send(segments, { flags: 0x10 })],
      ["with all flags that mean nothing here", (send, s) => send(s, { flags: 0xf8, window: 0, urgent: 7 })],
      ["with the largest packet id", (send, segments) => send(segments, { packetId: 0xffffffff })],
      ["with packet id 0", (send, segments) => send(segments, { packetId: 0 })],
    ];
    test.each(whole)("a frame arrives whole whose segments come %s", async (_, order) => {
      const frame = large();
      const { delivered, changes } = await deliver((send) => order(send, pieces(frame)), family);
      expect(delivered).toEqual([frame]);
      expect(changes).toMatchObject({ rx_frames: 1, reassembly_completed: 1 });
    });

    test.each([19, 33, 51, 71, 1439])("a frame arrives whole whose segments have %i bytes", async (size) => {
      const frame = udpFrame(inside, content(3000));
      const { delivered } = await deliver((send) => send(pieces(frame, size)), family);
      expect(delivered).toEqual([frame]);
    });
  });

  test("frames whose segments come mixed all arrive", async () => {
    const [first, second, third] = [large(), large(), large()];
    const { delivered } = await deliver((send) => {
      const of = (frame: Buffer, convention: Partial<Convention>) => send(pieces(frame), convention);
      // The second and third differ in their source port alone.
      const all = [
        of(first, { packetId: 77 }),
        of(second, { packetId: 78 }),
        of(third, { packetId: 78, sourcePort: 2 }),
      ];
      return [0, 1, 2, 3].flatMap((index) => all.map((list) => list[index] as Buffer));
    });
    expect(delivered).toEqual([first, second, third]);
  });

  test("the largest frame arrives", async () => {
    const frame = udpFrame(inside, content(65_535 - 18 - 14 - 20 - 8));
    const { delivered } = await deliver((send) => send(pieces(frame)));
    expect(delivered).toEqual([frame]);
  });

  test.each([
    ["TCP over IPv4", () => tcpFrame(inside, content(9000), "partial"), partial | ipv4 | tcp, 34, 1000],
    ["TCP over IPv6", () => tcpFrame(inside6, content(9000), "partial"), partial | tcp, 54, 1000],
    ["one segment of TCP", () => tcpFrame(inside, content(900), "partial"), partial | ipv4 | tcp, 34, 1000],
    ["UDP over IPv4", () => udpFrame(inside, content(900), "partial"), partial | ipv4, 34, 0],
    ["UDP over IPv6", () => udpFrame(inside6, content(900), "partial"), partial, 54, 0],
    [
      "UDP that is said to be segmented",
      () => udpFrame(inside, content(4000), "partial"),
      partial | ipv4,
      34,
      1000,
    ],
    ["a checksum that was verified", () => udpFrame(inside, content(900)), verified, 0, 0],
    ["reserved flags", () => udpFrame(inside, content(900)), 0xf0, 0, 0],
  ] as const)("%s arrives as it was sent", async (_, make, flags, l4Offset, mss) => {
    const frame = make();
    const { delivered, changes } = await deliver((send) =>
      send(cut(sttFrame(frame, { flags, l4Offset, mss }), 1400)),
    );
    expect(delivered).toEqual([frame]);
    expect(changes).toMatchObject({ rx_frames: 1 });
  });

  test("a tag in the header arrives as a tag, and bit 12 is none of it", async () => {
    const frame = udpFrame(inside, content(100));
    const { delivered } = await deliver((send) => send(cut(sttFrame(frame, { vlanTci: 0xb005 }), 1400)));
    const tagged = Buffer.concat([frame.subarray(0, 12), Buffer.from("8100a005", "hex"), frame.subarray(12)]);
    expect(delivered).toEqual([tagged]);
  });

  test("a segment that IP had to cut arrives", async () => {
    const frame = udpFrame(inside, content(4000));
    const { delivered } = await deliver((send) =>
      send(one(frame)).flatMap((packet) => fragments(packet, 1400)),
    );
    expect(delivered).toEqual([frame]);
  });

  test("congestion that any segment met is marked inside", async () => {
    const frame = udpFrame(inside, content(4000));
    // ECT(0); the IP header's checksum is that of the changed byte.
    frame[15] = 2;
    frame.writeUInt16BE(frame.readUInt16BE(24) - 2, 24);
    const { delivered } = await deliver((send) => {
      const [first = [], second = [], third = []] = pieces(frame).map((segment) => [segment]);
      return [...send(first), ...send(second, { ip: { trafficClass: 3 } }), ...send(third)];
    });
    expect(delivered.map((each) => each[15])).toEqual([3]);
  });

  const lies: readonly [string, (send: Send) => readonly Buffer[], Counters][] = [
    ["an overlap", (send) => send(overlapping()), { reassembly_conflict: 1 }],
    ["an overlap from before", (send) => send(reversed(overlapping())), { reassembly_conflict: 1 }],
    ["two lengths of one frame", (send) => send(withTwoLengths()), { reassembly_conflict: 1 }],
    [
      "a segment beyond the frame's end",
      (send) => send([{ ...tail(), offset: 60_000 }]),
      { rx_bad_segment: 1 },
    ],
    ["a frame of no length", (send) => send([{ ...tail(), total: 0 }]), { rx_bad_segment: 1 }],
    [
      "a frame too short for a frame",
      (send) => send([{ total: 31, offset: 0, data: content(31) }]),
      { rx_bad_segment: 1 },
    ],
    ["a segment without data", (send) => send([{ ...tail(), data: Buffer.alloc(0) }]), { rx_bad_segment: 1 }],
    ["TCP options", (send) => send(one(small()), { headerSize: 6 }), { rx_bad_segment: 1 }],
    [
      "a TCP header that is too short",
      (send) => send(one(small()), { headerSize: 4 }),
      { rx_bad_segment: 1 },
    ],
    ["SYN", (send) => send(one(small()), { flags: 0x12 }), { rx_bad_segment: 1 }],
    ["RST", (send) => send(one(small()), { flags: 0x14 }), { rx_bad_segment: 1 }],
    ["FIN", (send) => send(one(small()), { flags: 0x11 }), { rx_bad_segment: 1 }],
    ["a wrong checksum", (send) => send(one(small())).map(broken), { rx_bad_checksum: 1 }],
    ["another version", (send) => send(cut(sttFrame(small(), { version: 1 }), 1400)), { rx_bad_version: 1 }],
    ["a checksum at a wrong place", (send) => send(lying({ l4Offset: 35 })), { rx_bad_offload: 1 }],
    ["a checksum behind the frame", (send) => send(lying({ l4Offset: 255 })), { rx_bad_offload: 1 }],
    ["IPv4 called IPv6", (send) => send(lying({ flags: partial })), { rx_bad_offload: 1 }],
    ["UDP called TCP", (send) => send(lying({ flags: partial | ipv4 | tcp })), { rx_bad_offload: 1 }],
    ["segments of one byte", (send) => send(tiny()), { rx_bad_offload: 1 }],
    ["more segments than a frame can need", (send) => send(pieces(large(), 19)), {}],
  ];
  test.each(lies)("nothing arrives of a frame with %s", async (_, make, expected) => {
    const { delivered, changes } = await deliver(make);
    expect(delivered).toEqual([]);
    expect(changes).toMatchObject(expected);
    expect(changes).not.toHaveProperty("rx_frames");
  });

  test("a frame that stays incomplete is forgotten", async () => {
    await lab.node1.sh("sleep 2");
    const changes = await counted(lab.node2, async () => {
      const { delivered } = await deliver((send) => send(pieces(large()).slice(0, -1)));
      expect(delivered).toEqual([]);
      await lab.node1.sh("sleep 2");
    });
    expect(changes).toMatchObject({ reassembly_started: 1, reassembly_timed_out: 1 });
  });

  test("who is not on the list of peers reaches nobody, and who is does", async () => {
    const set = (prefixes: string) =>
      lab.node2.sh(
        `printf '${prefixes}' | podwire-stt-ctl set pw-stt peers ${prefixes === "any" ? "any" : "-"}`,
      );
    const arrives = async () => (await deliver((send) => send(one(small())))).delivered.length === 1;
    for (const [prefixes, isIn] of [
      ["", false],
      ["192.0.2.3\\n198.51.100.0/24\\n2001:db8::/32\\n", false],
      ["192.0.2.3\\n192.0.2.1\\n192.0.2.9\\n", true],
      ["192.0.2.0/31\\n10.0.0.0/8\\n192.0.0.0/16\\n", true],
      ["192.0.2.2/31\\n", false],
      ["0.0.0.0/0\\n", true],
      ["any", true],
    ] as const) {
      await set(prefixes);
      expect(await arrives(), prefixes).toBe(isIn);
    }
    expect(await counters(lab.node2)).toMatchObject({ rx_policy_drop: 3 });
  });

  test("what is for another host is not taken", async () => {
    const path = { ...pathBetween(lab.node1, lab.node2, 4), target: "203.0.113.7" };
    const packet = packetOf(path, one(small())[0] as Segment, { packetId: 5 });
    await lab.node2.sh("sysctl -q net.ipv4.ip_forward=1");
    const forwarded = await capture(lab.node2, "eth0", "src 192.0.2.1 and dst 203.0.113.7", async () => {
      const changes = await counted(lab.node2, () => send(lab.node1, [packet]));
      expect(changes).not.toHaveProperty("rx_segments");
    });
    await lab.node2.sh("sysctl -q net.ipv4.ip_forward=0");
    expect(forwarded).toHaveLength(2);
  });

  test("random changes of all of it do no harm", async () => {
    const v4 = pathBetween(lab.node1, lab.node2, 4);
    const v6 = pathBetween(lab.node1, lab.node2, 6);
    const stt = [
      ...pieces(large(), 700),
      ...one(small()),
      ...lying({}),
      ...cut(
        sttFrame(tcpFrame(inside, content(3000), "partial"), { flags: 14, l4Offset: 34, mss: 500 }),
        1400,
      ),
      ...cut(
        sttFrame(tcpFrame(inside6, content(3000), "partial"), { flags: 10, l4Offset: 54, mss: 500 }),
        1400,
      ),
    ];
    const packets = stt.flatMap((segment, index) =>
      [v4, v6].map((path) => packetOf(path, segment, { packetId: index % 4 })),
    );
    const changes = await counted(lab.node2, () =>
      send(lab.node1, packets, { count: isFull ? 1_000_000 : 150_000, seed: 1 }),
    );
    console.log(`kernel ${kernel}: random changes: ${JSON.stringify(changes)}`);
    for (const seen of ["rx_bad_segment", "rx_bad_checksum", "rx_bad_version", "rx_bad_offload", "rx_frames"])
      expect(changes, seen).toHaveProperty(seen);
    await ping(endOf(lab.node1), endOf(lab.node2));
  }, 900_000);

  test("a flood of frames without an end holds little memory, and lets good ones pass", async () => {
    const path = pathBetween(lab.node1, lab.node2, 4);
    const flood = Array.from({ length: 4000 }, (_, packetId) =>
      packetOf(
        path,
        { total: 60_000, offset: 0, data: content(1400) },
        { packetId, sourcePort: 1000 + packetId },
      ),
    );
    const available = async () =>
      Number(await lab.node2.sh("awk '/^MemAvailable/ { print $2 }' /proc/meminfo"));
    const before = await available();
    let lowest = before;
    const changes = await counted(lab.node2, async () => {
      const sending = send(lab.node1, flood, { count: isFull ? 1_000_000 : 60_000 });
      await lab.node2.sh("ethtool -K eth0 tso off gso off");
      await transfer(endOf(lab.node2), endOf(lab.node1), 1);
      for (let sample = 0; sample < 5; sample++) lowest = Math.min(lowest, await available());
      await transfer(endOf(lab.node1), endOf(lab.node2), 1);
      await sending;
      await lab.node2.sh("ethtool -K eth0 tso on gso on; sleep 2");
    });
    console.log(`kernel ${kernel}: flood: ${before - lowest} kB less, ${JSON.stringify(changes)}`);
    expect(changes["reassembly_evicted"]).toBeGreaterThan(1000);
    expect(before - lowest).toBeLessThan(64 * 1024);
  }, 900_000);
});

function small(): Buffer {
  return udpFrame(inside, content(200));
}

function tail(): Segment {
  return pieces(large()).at(-1) as Segment;
}

function overlapping(): Segment[] {
  const frame = sttFrame(large());
  return [
    { total: frame.length, offset: 0, data: frame.subarray(0, 1400) },
    { total: frame.length, offset: 1399, data: frame.subarray(1399, 2799) },
  ];
}

function withTwoLengths(): Segment[] {
  const [first, second] = pieces(large()) as [Segment, Segment];
  return [first, { ...second, total: second.total + 1 }];
}

/** UDP over IPv4 whose checksum is partial, and something that is not so. */
function lying(header: {
  readonly flags?: number;
  readonly l4Offset?: number;
  readonly mss?: number;
}): Segment[] {
  const frame = udpFrame(inside, content(500), "partial");
  return cut(sttFrame(frame, { flags: partial | ipv4, l4Offset: 34, ...header }), 1400);
}

function tiny(): Segment[] {
  const frame = tcpFrame(inside, content(1000), "partial");
  return cut(sttFrame(frame, { flags: partial | ipv4 | tcp, l4Offset: 34, mss: 1 }), 1400);
}

/** Something in its data is not as it was. */
function broken(packet: Buffer): Buffer {
  const changed = Buffer.from(packet);
  changed.writeUInt8((changed.at(-1) as number) ^ 1, changed.length - 1);
  return changed;
}
