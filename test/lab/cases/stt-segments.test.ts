// What other implementations of STT may choose, and what a network does to segments: all of it arrives. Frames are made
// here and sent from the other node past its kernel; a capture on the link tells what was delivered.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { goldenFrames, goldenNames } from "../../stt-tunnel/golden.ts";
import { be16, readIpFrame, tcpFrame, udpFrame } from "../../stt-tunnel/packets.ts";
import {
  type Convention,
  cut,
  dissectSegment,
  joinSegments,
  type Segment,
  sttFlags,
  sttFrame,
} from "../../stt-tunnel/wire.ts";
import { testedKernels } from "../fixture/kernels.ts";
import { cannotRunFullLab, sharedLab } from "../fixture/shared-lab.ts";
import { tunnelForSegments } from "../stt/delivery.ts";
import { content, inside, inside6, large, one, pieces, reversed, type Send } from "../stt/frames.ts";
import { fragments, openTap } from "../stt/wire.ts";

const { verified, partial, ipv4, tcp } = sttFlags;

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

describe.skipIf(cannotRunFullLab("segments of STT")).each(testedKernels)("STT on kernel %s", (kernel) => {
  const lab = sharedLab({ kernel, processors: 2 });
  const deliver = tunnelForSegments(lab);

  describe.each([4, 6] as const)("over IPv%i", (family) => {
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

  describe("put together by GRO, which waits for more", () => {
    const wait = (state: "on" | "off", nanoseconds: number) =>
      lab.node2.sh(
        `ethtool -K eth0 gro ${state}; echo ${nanoseconds} > /sys/class/net/eth0/gro_flush_timeout`,
      );
    // As a card cuts a segment into several; one that is to be pushed ends what is put together.
    const unpushed = { flags: 0x10 };
    beforeAll(() => wait("on", 20_000_000));
    afterAll(() => wait("off", 0));

    describe.each([4, 6] as const)("over IPv%i", (family) => {
      test.each(whole)("a frame arrives whole whose segments come %s", async (_, order) => {
        const frame = large();
        const { delivered, changes } = await deliver((send) => order(send, pieces(frame)), family);
        expect(delivered).toEqual([frame]);
        expect(changes).toMatchObject({ rx_frames: 1 });
      });

      test("a segment that comes again after it was put together does no harm", async () => {
        const frame = large();
        const again = (send: Send, s: Segment[]) =>
          send(
            [0, 1, 2, 1, 3].map((index) => s[index] as Segment),
            unpushed,
          );
        const { delivered, changes } = await deliver((send) => again(send, pieces(frame)), family);
        expect(delivered).toEqual([frame]);
        expect(changes).toMatchObject({ reassembly_duplicate: 1, reassembly_completed: 1 });
      });
    });

    test("one that came in order, within a tick of the kernel's clock, is whole already", async () => {
      const isWhole = async () => {
        const { changes } = await deliver((send) => send(pieces(large()), unpushed), 6);
        expect(changes).toMatchObject({ rx_frames: 1, rx_segments: 4 });
        return !("reassembly_started" in changes);
      };
      await expect.poll(isWhole, { timeout: 120_000, interval: 100 }).toBe(true);
    });
  });

  // What IP put together goes by the addresses alone, whole segments by their ports too.
  test("frames arrive whole whose segments come to several processors", async () => {
    const spread = (mask: number) => lab.node2.sh(`echo ${mask} > /sys/class/net/eth0/queues/rx-0/rps_cpus`);
    const frame = udpFrame(inside, content(2000));
    const ports = Array.from({ length: 16 }, (_, index) => 40_000 + index);
    await spread(3);
    try {
      const { delivered, changes } = await deliver((send) =>
        ports.flatMap((sourcePort) => {
          const [first, ...others] = send(pieces(frame), { sourcePort });
          return [...fragments(first as Buffer, 800), ...others];
        }),
      );
      expect(delivered).toEqual(ports.map(() => frame));
      expect(changes).toMatchObject({ reassembly_completed: ports.length });
    } finally {
      await spread(0);
    }
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
    expect(delivered).toEqual([withTag(frame, 0xb005)]);
  });

  test.each(goldenNames)("what a module sent before arrives as it was: %s", async (name) => {
    const captured = goldenFrames(name);
    const { delivered } = await deliver(() => captured);
    const frames = joinSegments(captured.map(dissectSegment));
    expect(delivered).toEqual(frames.map(({ ethernet, vlanTci }) => withTag(ethernet, vlanTci)));
  });

  // The kernel stops at a list of buffers that it cannot cut into segments of the size that the sender names.
  describe("for who cannot take it whole a frame of many segments is cut again", () => {
    beforeAll(() =>
      lab.node2.sh(`
        ip link add narrow type dummy; ip link set narrow up; ethtool -K narrow tso off
        tc qdisc add dev pw-stt clsact
        tc filter add dev pw-stt ingress matchall action mirred egress redirect dev narrow`),
    );
    afterAll(() => lab.node2.sh("ip link delete narrow; tc qdisc delete dev pw-stt clsact"));

    test.each([
      // The tunnel's and the frame's own headers are in the first segment, 18 + 54 bytes.
      ["as small as is taken", 1400, 48],
      ["smaller than what they came in", 1400, 500],
      ["of the first one's size", 1400, 1400 - 18 - 54],
      ["larger than what they came in", 1400, 4000],
      ["of few and large ones", 1400, 20_000],
      // A card that copies what is short puts it beside the buffer's head.
      ["smaller than what they came in, which was little", 60, 48],
    ])("into segments %s", async (_, size, mss) => {
      const data = content(Math.min(250 * size, 60_000) - 72);
      const frame = sttFrame(tcpFrame(inside, data, "partial"), {
        flags: partial | ipv4 | tcp,
        l4Offset: 34,
        mss,
      });
      const tap = await openTap(lab.node2, "narrow", "tcp", mss + 100);
      try {
        const { changes } = await deliver((send) => send(cut(frame, size)));
        expect(changes).toMatchObject({ rx_frames: 1 });
        const segments = (await tap.read(Math.ceil(data.length / mss))).map((each) =>
          readIpFrame(each).payload.subarray(20),
        );
        expect(Buffer.concat(segments).equals(data)).toBe(true);
        expect(Math.max(...segments.map(({ length }) => length))).toBe(mss);
      } finally {
        await tap.close();
      }
    });
  });

  test("a segment that IP had to cut arrives", async () => {
    const frame = udpFrame(inside, content(4000));
    const { delivered } = await deliver((send) =>
      send(one(frame)).flatMap((packet) => fragments(packet, 1400)),
    );
    expect(delivered).toEqual([frame]);
  });

  test("over IPv6 it arrives where connection tracking puts it together, and only there", async () => {
    const arrives = async () => {
      const frame = udpFrame(inside, content(4000));
      const cutByIp = (send: Send) => send(one(frame)).flatMap((packet) => fragments(packet, 1400));
      const { delivered } = await deliver(cutByIp, 6);
      return delivered.some((each) => each.equals(frame));
    };
    expect(await arrives()).toBe(false);
    await lab.node2.sh(`nft 'add table inet track; add chain inet track c { type filter hook prerouting priority 0; }
      add rule inet track c ct state invalid counter'`);
    try {
      expect(await arrives()).toBe(true);
    } finally {
      await lab.node2.sh("nft delete table inet track");
    }
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
});

/** The frame as a capture of the link shows it: with the tag that the header told of, less its bit 12. */
function withTag(frame: Buffer, vlanTci: number): Buffer {
  if (vlanTci === 0) return frame;
  const tag = Buffer.concat([Buffer.from("8100", "hex"), be16(vlanTci & ~0x1000)]);
  return Buffer.concat([frame.subarray(0, 12), tag, frame.subarray(12)]);
}
