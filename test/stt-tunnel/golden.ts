// Captures of what the module sends, in golden/, and what they say.
import fs from "node:fs";
import path from "node:path";
import { readPcap } from "./pcap.ts";
import { sttFlags } from "./wire.ts";

const { verified, partial, ipv4, tcp } = sttFlags;

interface Golden {
  readonly flags: number;
  readonly l4Offset: number;
  /** Of one of the frames; others of the capture have none. */
  readonly mss: number;
  readonly vlanTci: number;
  readonly contextId: bigint;
}

const plain: Golden = { flags: 0, l4Offset: 0, mss: 0, vlanTci: 0, contextId: 100n };

/** All that the header can say of a frame. */
export const golden = {
  plain,
  "plain-ipv6": plain,
  verified: { ...plain, flags: verified },
  "udp-ipv4": { ...plain, flags: partial | ipv4, l4Offset: 34 },
  "udp-ipv6": { ...plain, flags: partial, l4Offset: 54 },
  // A link of 1408 bytes, and time stamps.
  "tcp-ipv4": { ...plain, flags: partial | ipv4 | tcp, l4Offset: 34, mss: 1356 },
  "tcp-ipv6": { ...plain, flags: partial | tcp, l4Offset: 54, mss: 1336 },
  tagged: { ...plain, vlanTci: 0x1005, contextId: 7n },
} as const satisfies Readonly<Record<string, Golden>>;

export type GoldenName = keyof typeof golden;

export const goldenNames = Object.keys(golden) as GoldenName[];

export function goldenFile(name: GoldenName): string {
  return path.join(import.meta.dirname, "golden", `${name}.pcap`);
}

export function goldenFrames(name: GoldenName): Buffer[] {
  return readPcap(fs.readFileSync(goldenFile(name)));
}
