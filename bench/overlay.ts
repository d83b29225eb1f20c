// `npm run bench:overlay`: how long podwire takes for thousands of peers, with real routes of this kernel in a network
// namespace: the first `podwire apply`, one that has nothing to do, and a change of one peer by --watch.
import fs from "node:fs";
import { executable } from "../test/fixture/node.ts";
import { type ClusterNode, startCluster } from "../test/overlay/cluster.ts";
import { eventually, type Watching, watch } from "../test/overlay/watching.ts";
import { format } from "./table.ts";

const peersFile = "/etc/podwire/peers.json";
const changes = 10;

interface Peer {
  readonly node: string;
  readonly address: string;
  readonly podCIDRs: readonly string[];
}

/** In 198.18.0.0/15, the benchmarks' own (RFC 2544); the underlay's link has all of it. */
function peerList(count: number): Peer[] {
  return Array.from({ length: count }, (_, index) => ({
    node: `node${index}`,
    address: `198.18.${1 + (index >> 8)}.${index & 255}`,
    podCIDRs: [`10.${index >> 8}.${index & 255}.0/24`],
  }));
}

interface Figures {
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly peakMb: number;
}

/** With what its programs used: GNU time waits for all of them. */
async function apply(node: ClusterNode): Promise<Figures> {
  const began = performance.now();
  const words = ["-f", "%e %U %S %M", "-o", "/run/figures", executable, "apply"];
  const { exitCode, stderr } = await node.attempt("/usr/bin/time", words);
  const wallMs = performance.now() - began;
  if (exitCode !== 0) throw new Error(stderr);
  const [, user = 0, system = 0, peak = 0] = fs
    .readFileSync(node.file("/run/figures"), "utf8")
    .trim()
    .split(" ")
    .map(Number);
  return { wallMs, cpuMs: 1000 * (user + system), peakMb: peak / 1024 };
}

/** What --watch says that a change took, from reading the file to the last route. */
async function change(node: ClusterNode, watching: Watching, peers: readonly Peer[]): Promise<number[]> {
  const times: number[] = [];
  for (let round = 0; round < changes; round++) {
    const added = { node: "new", address: `198.19.${round}.1`, podCIDRs: [`10.200.${round}.0/24`] };
    const before = watching.said().length;
    node.write(`${peersFile}.new`, JSON.stringify([...peers, added]));
    fs.renameSync(node.file(`${peersFile}.new`), node.file(peersFile));
    const said = await eventually(() => {
      const match = new RegExp(`10\\.200\\.${round}\\.0/24.*\\(([0-9]+) ms\\)`).exec(
        watching.said().slice(before),
      );
      if (match === null) throw new Error(`nothing said of round ${round}: ${watching.said().slice(before)}`);
      return match;
    });
    times.push(Number(said[1]));
    // Until it has looked at the kernel once more.
    await new Promise((resolve) => setTimeout(resolve, 1500));
  }
  return times.sort((a, b) => a - b);
}

function peakOf(pid: number): number {
  const status = fs.readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/VmHWM:\s+([0-9]+)/.exec(status)?.[1]) / 1024;
}

async function measure(type: string, count: number): Promise<string[]> {
  const cluster = await startCluster(1);
  try {
    const [node] = cluster.nodes as [ClusterNode];
    const peers = peerList(count);
    await node.run("ip", "address", "add", "198.18.0.1/15", "dev", "eth0");
    node.write(peersFile, JSON.stringify(peers));
    node.write("/etc/podwire/node.json", JSON.stringify({ overlay: { type, underlay: "eth0", peersFile } }));
    const first = await apply(node);
    const again = await apply(node);
    await node.run("sh", "-c", "ip link delete pw-vxlan 2> /dev/null; ip route flush proto 120");
    const watching = await watch(node);
    const times = await change(node, watching, peers);
    const peak = peakOf(watching.pid);
    await watching.stop();
    const show = ({ wallMs, cpuMs }: Figures) => `${wallMs.toFixed(0)} (${cpuMs.toFixed(0)})`;
    return [
      type,
      String(count),
      show(first),
      show(again),
      `${times[changes / 2]} (${times[0]} to ${times.at(-1)})`,
      Math.max(first.peakMb, again.peakMb).toFixed(0),
      peak.toFixed(0),
    ];
  } finally {
    await cluster.stop();
  }
}

const head = [
  "overlay",
  "peers",
  "first, ms (CPU)",
  "again, ms (CPU)",
  "one peer, ms",
  "apply, MB",
  "--watch, MB",
];
const rows: string[][] = [];
for (const type of ["vxlan", "host-gw"]) {
  for (const count of [100, 5000]) rows.push(await measure(type, count));
}
console.log(format({ head, rows }));
