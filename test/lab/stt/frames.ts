// Frames that others might send through a tunnel, and the segments they might make of them.
import { type Path, tcpFrame, udpFrame } from "../../stt-tunnel/packets.ts";
import { type Convention, cut, type Segment, sttFlags, sttFrame } from "../../stt-tunnel/wire.ts";

const { partial, ipv4, tcp } = sttFlags;

/** Nobody has the target's address, so that nobody answers. */
export const inside: Path = {
  sourceMac: "ee:70:77:73:74:74",
  targetMac: "ee:70:77:73:74:74",
  source: "10.11.0.1",
  target: "10.11.0.2",
};
export const inside6: Path = { ...inside, source: "fd00:11::1", target: "fd00:11::2" };

let frames = 0;
/** Content that no other frame has. */
export function content(length: number): Buffer {
  const bytes = Buffer.alloc(length, `frame ${++frames} `);
  for (let at = 0; at < length; at += 97) bytes[at] = at % 251;
  return bytes;
}

export type Send = (segments: readonly Segment[], convention?: Partial<Convention>) => Buffer[];

/** A frame of several segments, none of which says anything of offloads. */
export const large = () => udpFrame(inside, content(5000));
export const pieces = (frame: Buffer, size = 1400) => cut(sttFrame(frame), size);
export const one = (frame: Buffer) => pieces(frame, 65535);
export const reversed = <T>(list: readonly T[]) => list.toReversed();

export function small(): Buffer {
  return udpFrame(inside, content(200));
}

export function tail(): Segment {
  return pieces(large()).at(-1) as Segment;
}

export function overlapping(): Segment[] {
  const frame = sttFrame(large());
  return [
    { total: frame.length, offset: 0, data: frame.subarray(0, 1400) },
    { total: frame.length, offset: 1399, data: frame.subarray(1399, 2799) },
  ];
}

export function withTwoLengths(): Segment[] {
  const [first, second] = pieces(large()) as [Segment, Segment];
  return [first, { ...second, total: second.total + 1 }];
}

/** UDP over IPv4 whose checksum is partial, and something that is not so. */
export function lying(header: {
  readonly flags?: number;
  readonly l4Offset?: number;
  readonly mss?: number;
}): Segment[] {
  const frame = udpFrame(inside, content(500), "partial");
  return cut(sttFrame(frame, { flags: partial | ipv4, l4Offset: 34, ...header }), 1400);
}

export function tiny(): Segment[] {
  const frame = tcpFrame(inside, content(1000), "partial");
  return cut(sttFrame(frame, { flags: partial | ipv4 | tcp, l4Offset: 34, mss: 1 }), 1400);
}

/** Something in its data is not as it was. */
export function broken(packet: Buffer): Buffer {
  const changed = Buffer.from(packet);
  changed.writeUInt8((changed.at(-1) as number) ^ 1, changed.length - 1);
  return changed;
}
