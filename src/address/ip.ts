// IP addresses as numbers, for ranges and subnets; parsing and formatting are ipaddr.js's,
// kept to the strict textual forms (no octal, no hexadecimal, no zone ids).
import ipaddr from "ipaddr.js";

export type Family = 4 | 6;

export interface Ip {
  readonly family: Family;
  readonly value: bigint;
}

/** A network or an address with prefix length; `ip` may have host bits set. */
export interface Prefix {
  readonly ip: Ip;
  readonly length: number;
}

/** RFC 8200 section 5. The kernel lets no link of less have IPv6, nor its settings (net/ipv6/addrconf.c). */
export const minMtuIpv6 = 1280;

export function addressBits(family: Family): 32 | 128 {
  return family === 4 ? 32 : 128;
}

/** undefined if `text` is not an address; IPv4-mapped IPv6 becomes IPv4, as in Go's net package. */
export function parseIp(text: string): Ip | undefined {
  const ipv4 = parseIpv4(text);
  if (ipv4 !== undefined) return { family: 4, value: BigInt(ipv4) };
  if (!text.includes(":")) return undefined;
  const grouped = withoutDottedTail(text);
  if (grouped === undefined || grouped.includes("%") || !ipaddr.IPv6.isValid(grouped)) return undefined;
  const parsed = ipaddr.IPv6.parse(grouped);
  return fromBytes((parsed.isIPv4MappedAddress() ? parsed.toIPv4Address() : parsed).toByteArray());
}

/** By hand, for lists of thousands: four numbers up to 255 without leading zeros. */
function parseIpv4(text: string): number | undefined {
  const parts = text.length > 15 ? [] : text.split(".");
  if (parts.length !== 4) return undefined;
  let value = 0;
  for (const part of parts) {
    const number = Number(part);
    if (!(number >= 0 && number <= 255) || String(number) !== part) return undefined;
    value = value * 256 + number;
  }
  return value;
}

/** "::1.2.3.4" as "::102:304": ipaddr.js reads such tails too liberally. */
function withoutDottedTail(text: string): string | undefined {
  const tail = /(?<=:)[^:]*\.[^:]*$/.exec(text)?.[0];
  if (tail === undefined) return text.includes(".") ? undefined : text;
  const value = parseIpv4(tail);
  if (value === undefined) return undefined;
  const groups = [Math.floor(value / 65536), value % 65536];
  return text.slice(0, -tail.length) + groups.map((group) => group.toString(16)).join(":");
}

/** Canonical text; IPv6 as in RFC 5952. */
export function formatIp(ip: Ip): string {
  if (ip.family === 6) return new ipaddr.IPv6(toBytes(ip)).toRFC5952String();
  const value = Number(ip.value);
  return `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`;
}

/** undefined if `text` is not "address/length". */
export function parsePrefix(text: string): Prefix | undefined {
  const match = /^([^/]+)\/(0|[1-9][0-9]{0,2})$/.exec(text);
  const ip = match?.[1] === undefined ? undefined : parseIp(match[1]);
  if (ip === undefined) return undefined;
  const length = Number(match?.[2]);
  return length <= addressBits(ip.family) ? { ip, length } : undefined;
}

export function formatPrefix(prefix: Prefix): string {
  return `${formatIp(prefix.ip)}/${prefix.length}`;
}

/** The prefix that holds one address: "10.1.2.3/32". */
export function hostPrefix(ip: Ip): string {
  return formatPrefix({ ip, length: addressBits(ip.family) });
}

/** The same of text, as iproute2 and Open vSwitch write single addresses; what has a length keeps it. */
export function withLength(text: string): string {
  return text.includes("/") ? text : `${text}/${text.includes(":") ? 128 : 32}`;
}

/** First address of the prefix: its network address. */
export function firstIp(prefix: Prefix): Ip {
  return { family: prefix.ip.family, value: prefix.ip.value & ~hostMask(prefix) };
}

/** Last address of the prefix: for IPv4 its broadcast address. */
export function lastIp(prefix: Prefix): Ip {
  return { family: prefix.ip.family, value: prefix.ip.value | hostMask(prefix) };
}

export function prefixContains(prefix: Prefix, ip: Ip): boolean {
  return prefix.ip.family === ip.family && firstIp(prefix).value === (ip.value & ~hostMask(prefix));
}

/** Whether `outer` holds every address of `inner`. */
export function prefixCovers(outer: Prefix, inner: Prefix): boolean {
  return outer.length <= inner.length && prefixContains(outer, inner.ip);
}

const hostMasks = Array.from({ length: 129 }, (_, bits) => (1n << BigInt(bits)) - 1n);

function hostMask(prefix: Prefix): bigint {
  return hostMasks[addressBits(prefix.ip.family) - prefix.length] ?? 0n;
}

function fromBytes(bytes: number[]): Ip {
  const value = bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  return { family: bytes.length === 4 ? 4 : 6, value };
}

function toBytes(ip: Ip): number[] {
  const size = 16;
  return Array.from({ length: size }, (_, i) => Number((ip.value >> BigInt(8 * (size - 1 - i))) & 0xffn));
}
