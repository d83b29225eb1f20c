// Frames on a node's links: captured there, and sent from there as they are.

import { checksum, type Path } from "../../stt-tunnel/packets.ts";
import { readPcap } from "../../stt-tunnel/pcap.ts";
import { macOf } from "../machine/network.ts";
import type { LabNode } from "../machine/node.ts";
import type { Family } from "./tunnel.ts";

/** The frames that pass `link` on `node` while `act` runs and that match tcpdump's `filter`. */
export async function capture(
  node: LabNode,
  link: string,
  filter: string,
  act: () => Promise<unknown>,
): Promise<Buffer[]> {
  const file = `/tmp/capture-${++captures}.pcap`;
  const start = `
    setsid tcpdump -U -Z root -s 262144 -B 32768 -i ${link} -w ${file} '${filter}' > ${file}.log 2>&1 < /dev/null & pid=$!
    for attempt in $(seq 100); do grep -q 'listening on' ${file}.log && echo $pid && exit; sleep 0.05; done
    cat ${file}.log; kill $pid; exit 1`;
  const pid = (await node.sh(start)).trim();
  try {
    await act();
    // What the kernel has, tcpdump may not have read yet.
    await node.sh("sleep 0.5");
  } finally {
    await node.sh(`kill -INT ${pid}; while kill -0 ${pid} 2> /dev/null; do sleep 0.05; done`);
  }
  return readPcap(Buffer.from(await node.sh(`base64 -w0 ${file}; rm ${file}`), "base64"));
}

let captures = 0;

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
}

/** Sends Ethernet frames out of the node's interface, past its own kernel. */
export async function send(node: LabNode, frames: readonly Buffer[], sending: Sending = {}): Promise<void> {
  const records = frames.flatMap((frame) => {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(frame.length);
    return [length, frame];
  });
  const file = `/tmp/frames-${++captures}`;
  await node.write(`${file}.base64`, Buffer.concat(records).toString("base64"));
  const { count = frames.length, seed = "" } = sending;
  await node.sh(
    `base64 -d ${file}.base64 > ${file}; replay eth0 ${count} ${seed} < ${file}; rm ${file} ${file}.base64`,
    { timeoutSeconds: 600 },
  );
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
