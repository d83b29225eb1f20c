// The MAC address of a node's tunnel device, which every peer can tell from the node's address on the underlay.
import type { Ip } from "../address/ip.ts";

/** Locally administered and unicast. Of IPv6 40 bits of a hash: two peers may share one, it only counts at the receiver. */
export function tunnelMac({ family, value }: Ip): string {
  if (family === 4) return octets(0x0a70n, value, 4);
  let hash = 0xcbf29ce484222325n;
  for (let shift = 120n; shift >= 0n; shift -= 8n) {
    hash = BigInt.asUintN(64, (hash ^ ((value >> shift) & 0xffn)) * 0x100000001b3n);
  }
  return octets(0x0en, BigInt.asUintN(40, hash), 5);
}

function octets(head: bigint, tail: bigint, tailBytes: number): string {
  const digits = ((head << BigInt(8 * tailBytes)) | tail).toString(16).padStart(12, "0");
  return (digits.match(/../g) ?? []).join(":");
}
