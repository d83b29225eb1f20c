// MAC addresses, in the colon form that iproute2 and the kernel print.
import { formatIp, type Ip, parseIp } from "./ip.ts";

/** Whether `text` can be the address of an interface: unicast and not all zero. */
export function isUnicastMac(text: string): boolean {
  return /^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$/i.test(text) && !/^[0:]+$/.test(text);
}

/** The link-local address that the kernel gives an interface of this MAC by default (RFC 4291, appendix A). */
export function linkLocalOf(mac: string): string {
  const [first = 0, ...rest] = mac.split(":").map((octet) => Number.parseInt(octet, 16));
  const octets = [first ^ 2, ...rest.slice(0, 2), 0xff, 0xfe, ...rest.slice(2)];
  const digits = octets.map((octet) => octet.toString(16).padStart(2, "0")).join("");
  return formatIp(parseIp(`fe80::${digits.match(/.{4}/g)?.join(":")}`) as Ip);
}
