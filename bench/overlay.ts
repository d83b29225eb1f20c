// `npm run bench:overlay`: what podwire takes for thousands of peers, with real routes of this kernel in a network
// namespace: the first `podwire apply`, one that has nothing to do, one after a change of one peer, and such a change by --watch.
// See docs/measurements.md.
import fs from "node:fs";
import { parseArgs } from "node:util";
import { executable } from "../test/fixture/node.ts";
import { type ClusterNode, startCluster } from "../test/overlay/cluster.ts";
import { watch } from "../test/overlay/watching.ts";
import { updateDocument } from "./document.ts";
import { changesByWatch, type Spent } from "./overlay-changes.ts";
import { type Peer, peerList, peersFile, replacePeers } from "./overlay-peers.ts";
import { percentile } from "./sample.ts";
import { format } from "./table.ts";

const usage = `usage: npm run bench:overlay -- [options]
  --peers N        besides 100, to compare with (5000)
  --changes N      of one peer (10)
  --update FILE    replace the report in a document, between its bench:overlay markers`;

const { values: options } = parseArgs({
  options: {
    peers: { type: "string", default: "5000" },
    changes: { type: "string", default: "10" },
    update: { type: "string" },
    help: { type: "boolean", default: false },
  },
});
const changes = Number(options.changes);

const head = [
  "overlay",
  "peers",
  "first apply",
  "apply again",
  "apply, one peer",
  "--watch, one peer",
  "bare Node",
  "--watch, check",
  "apply, MB",
  "--watch, MB",
];

/** Where the peers are. */
type Place = "on the link" | "behind a router";

const variants: readonly (readonly [string, Place])[] = [
  ["vxlan", "on the link"],
  ["vxlan", "behind a router"],
  ["host-gw", "on the link"],
];

if (options.help) console.log(usage);
else await bench();

async function bench(): Promise<void> {
  const load = () => (fs.readFileSync("/proc/loadavg", "utf8").split(" ")[0] ?? "").trim();
  const before = load();
  const rows: string[][] = [];
  for (const [type, place] of variants) {
    for (const count of [100, Number(options.peers)]) {
      console.error(`measuring ${type} with ${count} peers, ${place}`);
      const row = await measure(type, count, place);
      console.error(row.join("; "));
      rows.push(row);
    }
  }
  const kernel = fs.readFileSync("/proc/sys/kernel/osrelease", "utf8").trim();
  const said =
    `Linux ${kernel}; load average ${before} at the start, ${load()} at the end; ${changes} changes of one peer each way; ` +
    `${new Date().toISOString()}.`;
  const text = `${said}\n\n${format({ head, rows })}`;
  console.log(text);
  if (options.update !== undefined) updateDocument(options.update, "bench:overlay", text);
}

interface Call extends Spent {
  readonly peakMb: number;
}

function apply(node: ClusterNode): Promise<Call> {
  return spentBy(node, executable, "apply");
}

/** With what its programs used: GNU time waits for all of them. */
async function spentBy(node: ClusterNode, ...command: string[]): Promise<Call> {
  const began = performance.now();
  const words = ["-f", "%e %U %S %M", "-o", "/run/figures", ...command];
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

/** What Node takes to start and end, while the rest was measured: a yardstick for how busy the machine is. */
async function bareNode(node: ClusterNode): Promise<Call[]> {
  const calls: Call[] = [];
  for (let round = 0; round < 5; round++) calls.push(await spentBy(node, process.execPath, "-e", "0"));
  return calls;
}

/** Each with one peer more than the list. */
async function changesByApply(node: ClusterNode, peers: readonly Peer[]): Promise<Call[]> {
  const calls: Call[] = [];
  for (let round = 0; round < changes; round++) {
    replacePeers(node, [
      ...peers,
      { node: "new", address: "198.19.0.1", podCIDRs: [`10.200.${round}.0/24`] },
    ]);
    calls.push(await apply(node));
  }
  replacePeers(node, peers);
  await apply(node);
  return calls;
}

async function measure(type: string, count: number, place: Place): Promise<string[]> {
  const cluster = await startCluster(1);
  try {
    const [node] = cluster.nodes as [ClusterNode];
    const peers = peerList(count);
    if (place === "on the link") await node.run("ip", "address", "add", "198.18.0.1/15", "dev", "eth0");
    replacePeers(node, peers);
    node.write("/etc/podwire/node.json", JSON.stringify({ overlay: { type, underlay: "eth0", peersFile } }));
    const first = await apply(node);
    const again = await apply(node);
    const one = await changesByApply(node, peers);
    const watching = await watch(node);
    const kept = await changesByWatch(node, watching, peers, changes);
    await watching.stop();
    const peak = Math.max(...[first, again, ...one].map(({ peakMb }) => peakMb));
    return [
      place === "on the link" ? type : `${type}, ${place}`,
      String(count),
      ...[[first], [again], one].map(show),
      show(kept.changes),
      show(await bareNode(node)),
      kept.checkMs.toFixed(0),
      peak.toFixed(0),
      kept.peakMb.toFixed(0),
    ];
  } finally {
    await cluster.stop();
  }
}

/** Median, and the least, which other work of the machine has lengthened least. */
function show(spent: readonly Spent[]): string {
  const middle = (values: readonly number[]) => `${percentile(values, 50).toFixed(0)}${least(values)}`;
  const least = (values: readonly number[]) =>
    values.length === 1 ? "" : ` (${Math.min(...values).toFixed(0)})`;
  return `${middle(spent.map(({ wallMs }) => wallMs))}; CPU ${middle(spent.map(({ cpuMs }) => cpuMs))}`;
}
