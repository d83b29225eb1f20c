// A second implementation of STT's wire format, for tests only: it makes what other implementations may send, and
// takes apart what the module sends. It shares nothing with the module but the format.
import {
  be16,
  checksum,
  type IpChanges,
  type IpPacket,
  ipFrame,
  type Path,
  pseudoSum,
  readIpFrame,
  withChecksum,
} from "./packets.ts";

export const sttPort = 7471;
export const sttHeaderSize = 18;

export const sttFlags = { verified: 1, partial: 2, ipv4: 4, tcp: 8 } as const;

export interface SttHeader {
  readonly version: number;
  readonly flags: number;
  readonly l4Offset: number;
  readonly mss: number;
  /** With the bit that says that there is one. */
  readonly vlanTci: number;
  readonly contextId: bigint;
}

const plain: SttHeader = { version: 0, flags: 0, l4Offset: 0, mss: 0, vlanTci: 0, contextId: 100n };

/** An STT frame: header, padding, Ethernet frame. */
export function sttFrame(ethernetFrame: Buffer, header: Partial<SttHeader> = {}): Buffer {
  const { version, flags, l4Offset, mss, vlanTci, contextId } = { ...plain, ...header };
  const bytes = Buffer.alloc(sttHeaderSize);
  bytes.set([version, flags, l4Offset]);
  bytes.writeUInt16BE(mss, 4);
  bytes.writeUInt16BE(vlanTci, 6);
  bytes.writeBigUInt64BE(contextId, 8);
  return Buffer.concat([bytes, ethernetFrame]);
}

export interface Segment {
  /** Of the whole frame, as it is claimed. */
  readonly total: number;
  readonly offset: number;
  readonly data: Buffer;
}

/** Cuts a frame into segments of `size` bytes. */
export function cut(frame: Buffer, size: number): Segment[] {
  return Array.from({ length: Math.ceil(frame.length / size) }, (_, index) => ({
    total: frame.length,
    offset: index * size,
    data: frame.subarray(index * size, (index + 1) * size),
  }));
}

/** What senders choose, each in its own way. */
export interface Convention {
  readonly packetId: number;
  readonly sourcePort?: number;
  /** Of TCP; default: ACK and PSH. */
  readonly flags?: number;
  readonly window?: number;
  readonly urgent?: number;
  /** In words of four bytes. */
  readonly headerSize?: number;
  readonly port?: number;
  readonly ip?: IpChanges;
}

/** The segment as an Ethernet frame on its way from tunnel to tunnel. */
export function packetOf(path: Path, segment: Segment, convention: Convention): Buffer {
  const { packetId, sourcePort = 50_000, flags = 0x18, window = 0xffff, urgent = 0 } = convention;
  const tcp = Buffer.alloc(20);
  tcp.writeUInt16BE(sourcePort, 0);
  tcp.writeUInt16BE(convention.port ?? sttPort, 2);
  tcp.writeUInt16BE(segment.total, 4);
  tcp.writeUInt16BE(segment.offset, 6);
  tcp.writeUInt32BE(packetId, 8);
  tcp.set([(convention.headerSize ?? 5) << 4, flags], 12);
  tcp.set(be16(window), 14);
  tcp.set(be16(urgent), 18);
  const whole = withChecksum(path, "tcp", Buffer.concat([tcp, segment.data]));
  return ipFrame(path, 6, whole, convention.ip);
}

export interface Dissected {
  readonly outer: IpPacket;
  readonly sourcePort: number;
  readonly packetId: number;
  readonly total: number;
  readonly offset: number;
  readonly tcpFlags: number;
  /** "partial": the sender's card would have completed it, and the capture was made before. */
  readonly outerChecksum: "complete" | "partial";
  readonly data: Buffer;
}

/** Takes a captured Ethernet frame apart; throws if it is no STT segment as it should be. */
export function dissectSegment(captured: Buffer): Dissected {
  const outer = readIpFrame(captured);
  const { payload: tcp } = outer;
  const complain = (what: string) => {
    throw new Error(`${what}: ${tcp.subarray(0, 40).toString("hex")}`);
  };
  if (outer.protocol !== 6 || tcp.length < 20) complain("no TCP header");
  if (tcp.readUInt16BE(2) !== sttPort) complain(`not to port ${sttPort}`);
  if (tcp[12] !== 0x50) complain("options, or reserved bits");
  if (tcp.readUInt16BE(14) !== 0xffff || tcp.readUInt16BE(18) !== 0) complain("window or urgent pointer");
  const pseudo = pseudoSum(outer.source, outer.target, 6, tcp.length);
  const isPartial = tcp.readUInt16BE(16) === pseudo;
  if (!isPartial && checksum(tcp, pseudo) !== 0) complain("checksum is wrong");
  return {
    outer,
    sourcePort: tcp.readUInt16BE(0),
    packetId: tcp.readUInt32BE(8),
    total: tcp.readUInt16BE(4),
    offset: tcp.readUInt16BE(6),
    tcpFlags: tcp[13] as number,
    outerChecksum: isPartial ? "partial" : "complete",
    data: tcp.subarray(20),
  };
}

export interface WholeFrame extends SttHeader {
  readonly ethernet: Buffer;
  readonly segments: readonly Dissected[];
}

/** Puts segments of one capture together, frame by frame, in the order of their first segments; throws at gaps. */
export function joinSegments(segments: readonly Dissected[]): WholeFrame[] {
  const byFrame = Map.groupBy(
    segments,
    ({ outer, packetId }) => `${outer.source.toString("hex")} ${outer.target.toString("hex")} ${packetId}`,
  );
  return [...byFrame.values()].map((parts) => {
    const sorted = parts.toSorted((one, other) => one.offset - other.offset);
    let end = 0;
    for (const { offset, data, total } of sorted) {
      if (offset !== end || total !== sorted[0]?.total) throw new Error(`a gap at ${end} of ${total}`);
      end += data.length;
    }
    if (end !== sorted[0]?.total) throw new Error(`${end} bytes of ${sorted[0]?.total}`);
    return { ...readFrame(Buffer.concat(sorted.map(({ data }) => data))), segments: parts };
  });
}

/** Reads an STT frame; throws at whatever the format does not allow. */
function readFrame(bytes: Buffer): SttHeader & { ethernet: Buffer } {
  const header = {
    version: bytes[0] as number,
    flags: bytes[1] as number,
    l4Offset: bytes[2] as number,
    mss: bytes.readUInt16BE(4),
    vlanTci: bytes.readUInt16BE(6),
    contextId: bytes.readBigUInt64BE(8),
  };
  const complain = (what: string) => {
    throw new Error(`${what}: ${bytes.subarray(0, sttHeaderSize).toString("hex")}`);
  };
  const isPartial = (header.flags & sttFlags.partial) !== 0;
  if (header.version !== 0 || bytes[3] !== 0 || bytes.readUInt16BE(16) !== 0) complain("reserved bytes");
  if ((header.flags & 0xf0) !== 0) complain("reserved flags");
  if (isPartial && (header.flags & sttFlags.verified) !== 0) complain("verified and partial at once");
  if (!isPartial && (header.l4Offset !== 0 || header.mss !== 0 || header.flags > 1)) complain("not partial");
  if (header.vlanTci !== 0 && (header.vlanTci & 0x1000) === 0) complain("a tag that is not present");
  const ethernet = bytes.subarray(sttHeaderSize);
  if (isPartial) checkOffload(header, ethernet, complain);
  return { ...header, ethernet };
}

/** What the header says of the packet inside must be so. */
function checkOffload(
  { flags, l4Offset, mss }: SttHeader,
  frame: Buffer,
  complain: (what: string) => void,
): void {
  const inner = readIpFrame(frame);
  const isTcp = (flags & sttFlags.tcp) !== 0;
  if (inner.offset !== l4Offset) complain(`checksum from ${l4Offset}, not from ${inner.offset}`);
  if ((inner.family === 4) !== ((flags & sttFlags.ipv4) !== 0)) complain(`IPv${inner.family}`);
  if (inner.protocol !== (isTcp ? 6 : 17)) complain(`protocol ${inner.protocol}`);
  const pseudo = pseudoSum(inner.source, inner.target, inner.protocol, inner.payload.length);
  if (inner.payload.readUInt16BE(isTcp ? 16 : 6) !== pseudo) complain("no pseudo header's sum");
  if (mss !== 0 && !isTcp) complain("a segment size for UDP");
}
