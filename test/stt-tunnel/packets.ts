// Packets as bytes: Ethernet, IPv4, IPv6, TCP and UDP, made and read without any of the kernel's code.
import ipaddr from "ipaddr.js";

export const ethernetSize = 14;
const protocols = { tcp: 6, udp: 17 } as const;

export interface Path {
  readonly sourceMac: string;
  readonly targetMac: string;
  /** Both of one family. */
  readonly source: string;
  readonly target: string;
}

/** The Internet checksum over `bytes`, from a sum that was begun elsewhere. */
export function checksum(bytes: Buffer, begun = 0): number {
  return ~fold(sum(bytes, begun)) & 0xffff;
}

function sum(bytes: Buffer, begun: number): number {
  let total = begun;
  for (let at = 0; at + 1 < bytes.length; at += 2) total += bytes.readUInt16BE(at);
  return bytes.length % 2 === 1 ? total + (bytes.at(-1) as number) * 256 : total;
}

function fold(total: number): number {
  let folded = total;
  while (folded > 0xffff) folded = (folded & 0xffff) + Math.floor(folded / 0x10000);
  return folded;
}

export function addressBytes(address: string): Buffer {
  return Buffer.from(ipaddr.parse(address).toByteArray());
}

/** What TCP's and UDP's checksums cover besides their own bytes; not complemented. */
export function pseudoSum(source: Buffer, target: Buffer, protocol: number, length: number): number {
  return fold(sum(Buffer.concat([source, target]), protocol + (length >> 16) + (length & 0xffff)));
}

export function ethernet({ sourceMac, targetMac }: Path, type: number, payload: Buffer): Buffer {
  const header = Buffer.from(`${targetMac}${sourceMac}`.replaceAll(":", ""), "hex");
  return Buffer.concat([header, be16(type), payload]);
}

export function be16(value: number): Buffer {
  return Buffer.from([value >> 8, value & 0xff]);
}

/** An Ethernet frame with an IP packet whose payload has its checksum already. */
export function ipFrame(path: Path, protocol: number, payload: Buffer, changes: IpChanges = {}): Buffer {
  const [source, target] = [addressBytes(path.source), addressBytes(path.target)];
  if (source.length === 16) {
    const header = Buffer.alloc(8);
    header.writeUInt32BE(0x60000000 + (changes.trafficClass ?? 0) * 0x100000);
    header.writeUInt16BE(payload.length, 4);
    header.set([protocol, 64], 6);
    return ethernet(path, 0x86dd, Buffer.concat([header, source, target, payload]));
  }
  const header = Buffer.alloc(12);
  header.set([0x45, changes.trafficClass ?? 0]);
  header.writeUInt16BE(20 + payload.length, 2);
  header.writeUInt16BE(changes.id ?? 1, 4);
  header.writeUInt16BE(changes.fragment ?? 0, 6);
  header.set([64, protocol], 8);
  const whole = Buffer.concat([header, source, target]);
  whole.writeUInt16BE(checksum(whole), 10);
  return ethernet(path, 0x0800, Buffer.concat([whole, payload]));
}

export interface IpChanges {
  readonly trafficClass?: number;
  readonly id?: number;
  /** IPv4's flags and offset. */
  readonly fragment?: number;
}

/** What is in the checksum's field: all of it, or what a card would complete. */
export type Completeness = "complete" | "partial";

/** Sets the checksum of a TCP segment or UDP datagram. */
export function withChecksum(
  path: Path,
  protocol: "tcp" | "udp",
  payload: Buffer,
  completeness: Completeness = "complete",
): Buffer {
  const [source, target] = [addressBytes(path.source), addressBytes(path.target)];
  const pseudo = pseudoSum(source, target, protocols[protocol], payload.length);
  const made = Buffer.from(payload);
  const at = protocol === "tcp" ? 16 : 6;
  made.writeUInt16BE(0, at);
  made.writeUInt16BE(completeness === "partial" ? pseudo : checksum(made, pseudo), at);
  return made;
}

export function udpFrame(path: Path, content: Buffer, completeness?: Completeness): Buffer {
  const header = Buffer.concat([be16(4000), be16(4000), be16(8 + content.length), be16(0)]);
  return ipFrame(path, 17, withChecksum(path, "udp", Buffer.concat([header, content]), completeness));
}

/** A TCP segment of a connection that nobody knows. */
export function tcpFrame(path: Path, content: Buffer, completeness?: Completeness): Buffer {
  const header = Buffer.alloc(20);
  header.writeUInt16BE(4001, 0);
  header.writeUInt16BE(4001, 2);
  header.writeUInt32BE(1000, 4);
  header.set([0x50, 0x10, 0xff, 0xff], 12);
  return ipFrame(path, 6, withChecksum(path, "tcp", Buffer.concat([header, content]), completeness));
}

export interface IpPacket {
  readonly family: 4 | 6;
  readonly trafficClass: number;
  readonly hopLimit: number;
  readonly protocol: number;
  readonly source: Buffer;
  readonly target: Buffer;
  readonly payload: Buffer;
  /** Where the payload begins in the Ethernet frame. */
  readonly offset: number;
}

/** Reads an Ethernet frame with an IP packet without options; throws if it is none. */
export function readIpFrame(frame: Buffer): IpPacket {
  const type = frame.readUInt16BE(12);
  const ip = frame.subarray(ethernetSize);
  if (type === 0x86dd) {
    const length = ip.readUInt16BE(4);
    if (ip.length < 40 + length) throw new Error(`IPv6 packet of ${length} bytes in ${ip.length}`);
    return {
      family: 6,
      trafficClass: (ip.readUInt16BE(0) >> 4) & 0xff,
      hopLimit: ip[7] as number,
      protocol: ip[6] as number,
      source: ip.subarray(8, 24),
      target: ip.subarray(24, 40),
      payload: ip.subarray(40, 40 + length),
      offset: ethernetSize + 40,
    };
  }
  if (type !== 0x0800) throw new Error(`no IP packet but type ${type.toString(16)}`);
  const length = ip.readUInt16BE(2);
  if (ip[0] !== 0x45 || ip.length < length) throw new Error(`IPv4 packet of ${length} bytes in ${ip.length}`);
  if (checksum(ip.subarray(0, 20)) !== 0) throw new Error("the IPv4 header's checksum is wrong");
  return {
    family: 4,
    trafficClass: ip[1] as number,
    hopLimit: ip[8] as number,
    protocol: ip[9] as number,
    source: ip.subarray(12, 16),
    target: ip.subarray(16, 20),
    payload: ip.subarray(20, length),
    offset: ethernetSize + 20,
  };
}
