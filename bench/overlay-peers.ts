// Lists of thousands of peers, as a file that a node follows.
import fs from "node:fs";
import type { ClusterNode } from "../test/overlay/cluster.ts";

export const peersFile = "/etc/podwire/peers.json";

export interface Peer {
  readonly node: string;
  readonly address: string;
  readonly podCIDRs: readonly string[];
}

/** In 198.18.0.0/15, the benchmarks' own (RFC 2544); the underlay's link has all of it, or a router. */
export function peerList(count: number): Peer[] {
  return Array.from({ length: count }, (_, index) => ({
    node: `node${index}`,
    address: `198.18.${1 + (index >> 8)}.${index & 255}`,
    podCIDRs: [`10.${index >> 8}.${index & 255}.0/24`],
  }));
}

/** In one step, as whoever writes such a file should. Returns when that was, in milliseconds since 1970. */
export function replacePeers(node: ClusterNode, peers: readonly Peer[]): number {
  node.write(`${peersFile}.new`, JSON.stringify(peers));
  const replaced = performance.timeOrigin + performance.now();
  fs.renameSync(node.file(`${peersFile}.new`), node.file(peersFile));
  return replaced;
}
