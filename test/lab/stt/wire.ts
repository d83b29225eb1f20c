// Frames on a node's links: captured there, and sent from there as they are.

import { checksum, type Path } from "../../stt-tunnel/packets.ts";
import { pcapHeaderSize, pcapRecordSize, readRecords } from "../../stt-tunnel/pcap.ts";
import { macOf } from "../machine/network.ts";
import type { LabNode } from "../machine/node.ts";
import type { Family } from "./tunnel.ts";

/** A running capture. */
export interface Tap {
  /** What came since the last call; at least so many frames, unless that takes too long. */
  read(least: number): Promise<Buffer[]>;
  close(): Promise<void>;
}

/** Captures all that passes `link` on `node` and matches tcpdump's `filter`. Of many small frames more are kept if `longest` says so. */
export async function openTap(node: LabNode, link: string, filter: string, longest = 262_144): Promise<Tap> {
  const file = `/tmp/capture-${++files}.pcap`;
  const options = `-U --immediate-mode -Z root -s ${longest} -B 32768 -i ${link}`;
  const start = `
    setsid tcpdump ${options} -w ${file} '${filter}' > ${file}.log 2>&1 < /dev/null & pid=$!
    for attempt in $(seq 100); do [ -s ${file} ] && echo $pid && exit; sleep 0.05; done
    cat ${file}.log; kill $pid; exit 1`;
  const pid = (await node.sh(start)).trim();
  let position = pcapHeaderSize;
  return {
    read: async (least) => {
      const rest = `sleep 0.2; tail -c +${position + 1} ${file} | base64 -w0`;
      for (let attempt = 0; ; attempt++) {
        const frames = readRecords(Buffer.from(await node.sh(rest), "base64"));
        if (frames.length < least && attempt < 20) continue;
        for (const frame of frames) position += pcapRecordSize + frame.length;
        return frames;
      }
    },
    close: async () => {
      await node.sh(`kill -INT ${pid}; while kill -0 ${pid} 2> /dev/null; do sleep 0.05; done; rm ${file}*`);
    },
  };
}

/** The frames that pass while `act` runs. */
export async function capture(
  node: LabNode,
  link: string,
  filter: string,
  act: () => Promise<unknown>,
): Promise<Buffer[]> {
  const tap = await openTap(node, link, filter);
  try {
    await act();
    await node.sh("sleep 0.5");
    return await tap.read(0);
  } finally {
    await tap.close();
  }
}

let files = 0;

/** From one node's interface to the other's. */
export function pathBetween(from: LabNode, to: LabNode, family: Family): Path {
  const address = (node: LabNode) => (family === 4 ? node.address : node.address6);
  return {
    sourceMac: macOf("data", from.number),
    targetMac: macOf("data", to.number),
    source: address(from),
    target: address(to),
  };
}

export interface Sending {
  /** Frames in all, over and over; default: each once. */
  readonly count?: number;
  /** Changes bytes of each, at random but the same for each seed. */
  readonly seed?: number;
  /** From a namespace of the node that has an eth0 of its own. */
  readonly netns?: string;
}

/** Sends Ethernet frames out of the node's interface, past its own kernel. */
export async function send(node: LabNode, frames: readonly Buffer[], sending: Sending = {}): Promise<void> {
  const { count = frames.length, seed, netns } = sending;
  const inside = netns === undefined ? "" : `ip netns exec ${netns} `;
  const changing = seed === undefined ? "" : `-s ${seed}`;
  const script = `set -o pipefail; base64 -d | ${inside}replay ${changing} eth0 ${count}`;
  const { exitCode, stderr } = await node.attempt("bash", ["-c", script], {
    input: forReplay(frames),
    timeoutSeconds: 1200,
  });
  if (exitCode !== 0) throw new Error(`sending from ${node.name}: ${stderr}`);
}

/** Sends them over and over while `act` runs, at most `rate` a second. */
export async function sendMeanwhile(
  node: LabNode,
  frames: readonly Buffer[],
  rate: number,
  act: () => Promise<unknown>,
): Promise<void> {
  const start = `base64 -d > /tmp/replayed
    setsid replay -r ${rate} eth0 1000000000 < /tmp/replayed > /tmp/replay.log 2>&1 & echo $!`;
  const pid = (await node.sh(start, { input: forReplay(frames) })).trim();
  try {
    await act();
  } finally {
    // Throws if it has ended.
    await node.sh(`kill ${pid} || { cat /tmp/replay.log; exit 1; }`);
  }
}

function forReplay(frames: readonly Buffer[]): string {
  const records = frames.flatMap((frame) => {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(frame.length);
    return [length, frame];
  });
  return Buffer.concat(records).toString("base64");
}

/** Cuts an IP packet into fragments of `size` bytes, a multiple of eight. */
export function fragments(frame: Buffer, size: number): Buffer[] {
  const headerSize = frame.readUInt16BE(12) === 0x86dd ? 40 : 20;
  const [ethernet, ip, payload] = [
    frame.subarray(0, 14),
    frame.subarray(14, 14 + headerSize),
    frame.subarray(14 + headerSize),
  ];
  return Array.from({ length: Math.ceil(payload.length / size) }, (_, index) => {
    const part = payload.subarray(index * size, (index + 1) * size);
    const hasMore = (index + 1) * size < payload.length;
    const header =
      headerSize === 40
        ? fragmentHeader6(ip, part, index * size, hasMore)
        : fragmentHeader4(ip, part, index * size, hasMore);
    return Buffer.concat([ethernet, header, part]);
  });
}

function fragmentHeader4(ip: Buffer, part: Buffer, offset: number, hasMore: boolean): Buffer {
  const header = Buffer.from(ip);
  header.writeUInt16BE(20 + part.length, 2);
  header.writeUInt16BE((hasMore ? 0x2000 : 0) | (offset / 8), 6);
  header.writeUInt16BE(0, 10);
  header.writeUInt16BE(checksum(header), 10);
  return header;
}

function fragmentHeader6(ip: Buffer, part: Buffer, offset: number, hasMore: boolean): Buffer {
  const header = Buffer.from(ip);
  const fragment = Buffer.alloc(8);
  fragment.writeUInt8(header.readUInt8(6), 0);
  fragment.writeUInt16BE(offset | (hasMore ? 1 : 0), 2);
  fragment.writeUInt32BE(1, 4);
  header.writeUInt8(44, 6);
  header.writeUInt16BE(fragment.length + part.length, 4);
  return Buffer.concat([header, fragment]);
}
