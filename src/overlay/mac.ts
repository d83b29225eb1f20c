// The MAC address of a node's tunnel device, which every peer can tell from the node's address on the underlay.
import type { Ip } from "../address/ip.ts";

/** Locally administered and unicast. Of IPv6 40 bits of a hash: two peers may share one, it only counts at the receiver. */
export function tunnelMac({ family, value }: Ip): string {
  if (family === 4) {
    const digits = (0x0a7000000000 + Number(value)).toString(16).padStart(12, "0");
    return `0a:70:${digits.slice(4, 6)}:${digits.slice(6, 8)}:${digits.slice(8, 10)}:${digits.slice(10)}`;
  }
  let hash = 0xcbf29ce484222325n;
  for (let shift = 120n; shift >= 0n; shift -= 8n) {
    hash = BigInt.asUintN(64, (hash ^ ((value >> shift) & 0xffn)) * 0x100000001b3n);
  }
  const digits = (0x0e0000000000n + BigInt.asUintN(40, hash)).toString(16).padStart(12, "0");
  return (digits.match(/../g) ?? []).join(":");
}
