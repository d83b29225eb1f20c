// A packet as a tunnel's device would send it, made by hand, so that it leaves by an ordinary socket: that forbids fragments, which
// the kernel's own tunnels do not.
import { addressBits, type Ip } from "../../address/ip.ts";

export interface InnerPacket {
  readonly from: Ip;
  readonly to: Ip;
  readonly fromMac: string;
  readonly toMac: string;
  readonly fromPort: number;
  readonly toPort: number;
}

/** The UDP payload of `size` bytes that holds an inner UDP packet. */
export function tunnelPayload(
  driver: "vxlan" | "geneve",
  id: number,
  packet: InnerPacket,
  size: number,
): Buffer {
  const header = Buffer.alloc(8);
  if (driver === "vxlan") header.writeUInt8(0x08, 0);
  else header.writeUInt16BE(0x6558, 2);
  header.writeUIntBE(id, 4, 3);
  const ethernet = Buffer.from(`${packet.toMac}${packet.fromMac}`.replaceAll(":", ""), "hex");
  const type = Buffer.from(packet.from.family === 4 ? "0800" : "86dd", "hex");
  const before = header.length + ethernet.length + type.length;
  return Buffer.concat([header, ethernet, type, ipPacket(packet, size - before)]);
}

/** Room that the smallest packet needs in a payload. */
export function leastPayload(family: 4 | 6): number {
  return 8 + 14 + (family === 4 ? 20 : 40) + 8;
}

function ipPacket({ from, to, fromPort, toPort }: InnerPacket, size: number): Buffer {
  const isIpv4 = from.family === 4;
  const headerLength = isIpv4 ? 20 : 40;
  const udp = Buffer.alloc(size - headerLength);
  udp.writeUInt16BE(fromPort, 0);
  udp.writeUInt16BE(toPort, 2);
  udp.writeUInt16BE(udp.length, 4);
  const addresses = Buffer.concat([bytesOf(from), bytesOf(to)]);
  const pseudo = Buffer.alloc(4);
  pseudo.writeUInt16BE(udp.length, 0);
  pseudo.writeUInt16BE(17, 2);
  udp.writeUInt16BE(checksum(Buffer.concat([addresses, pseudo, udp])) || 0xffff, 6);
  const header = Buffer.alloc(headerLength - addresses.length);
  if (isIpv4) {
    header.writeUInt8(0x45, 0);
    header.writeUInt16BE(size, 2);
    header.writeUInt16BE(0x4000, 6);
    header.writeUInt8(64, 8);
    header.writeUInt8(17, 9);
    header.writeUInt16BE(checksum(Buffer.concat([header, addresses])), 10);
  } else {
    header.writeUInt8(0x60, 0);
    header.writeUInt16BE(udp.length, 4);
    header.writeUInt8(17, 6);
    header.writeUInt8(64, 7);
  }
  return Buffer.concat([header, addresses, udp]);
}

function bytesOf({ family, value }: Ip): Buffer {
  return Buffer.from(value.toString(16).padStart(addressBits(family) / 4, "0"), "hex");
}

/** RFC 1071. */
function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let index = 0; index < bytes.length; index += 2) {
    sum += index + 1 < bytes.length ? bytes.readUInt16BE(index) : bytes.readUInt8(index) << 8;
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
