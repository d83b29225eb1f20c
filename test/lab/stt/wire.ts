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
  const records = frames.flatMap((frame) => {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(frame.length);
    return [length, frame];
  });
  const { count = frames.length, seed = "", netns } = sending;
  const inside = netns === undefined ? "" : `ip netns exec ${netns} `;
  const input = Buffer.concat(records).toString("base64");
  const script = `set -o pipefail; base64 -d | ${inside}replay eth0 ${count} ${seed}`;
  const { exitCode, stderr } = await node.attempt("bash", ["-c", script], { input, timeoutSeconds: 600 });
  if (exitCode !== 0) throw new Error(`sending from ${node.name}: ${stderr}`);
}

/** Cuts an IPv4 packet into fragments of `size` bytes, a multiple of eight. */
export function fragments(frame: Buffer, size: number): Buffer[] {
  const [ethernet, ip, payload] = [frame.subarray(0, 14), frame.subarray(14, 34), frame.subarray(34)];
  return Array.from({ length: Math.ceil(payload.length / size) }, (_, index) => {
    const part = payload.subarray(index * size, (index + 1) * size);
    const header = Buffer.from(ip);
    const isLast = (index + 1) * size >= payload.length;
    header.writeUInt16BE(20 + part.length, 2);
    header.writeUInt16BE((isLast ? 0 : 0x2000) | ((index * size) / 8), 6);
    header.writeUInt16BE(0, 10);
    header.writeUInt16BE(checksum(header), 10);
    return Buffer.concat([ethernet, header, part]);
  });
}
