// `npm run bench:bypass`: what netfilter costs a pod's small packets, and what podwire_bypass and its alternatives
// leave of that cost. One guest's work, counted in instructions; see docs/measurements.md.
import fs from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { installBypass, setBypass } from "../test/lab/fixture/bypass.ts";
import { conflistFor, type Pod, pod } from "../test/lab/fixture/pod.ts";
import { qperf } from "../test/lab/fixture/traffic.ts";
import type { KernelVersion } from "../test/lab/image/recipe.ts";
import { type Lab, startLab } from "../test/lab/lab.ts";
import type { LabNode } from "../test/lab/machine/node.ts";
import { routeBetweenHosts } from "../test/lab/measure/variants.ts";
import { format } from "./table.ts";

const { values: options } = parseArgs({
  options: {
    kernel: { type: "string", default: "6.1" },
    rules: { type: "string", default: "5000" },
    rounds: { type: "string", default: "3" },
    json: { type: "string", default: path.resolve(import.meta.dirname, "../bench-results") },
  },
});

interface Stage {
  readonly name: string;
  /** Brings the node from the stage before to this one. */
  begin(node: LabNode): Promise<unknown>;
}

const pods = ["pod 10.244.0.0/16"];
const setTo = (mode: string) => (node: LabNode) => setBypass(node, `mode ${mode}`, ...pods);

/** In this order: conntrack, once on, stays on. */
const stages: readonly Stage[] = [
  { name: "no rules, no conntrack", begin: async () => {} },
  { name: "rules", begin: (node) => node.sh(serviceRules(Number(options.rules))) },
  { name: "rules, module off", begin: (node) => installBypass(node, options.kernel as KernelVersion) },
  { name: "rules, observe", begin: setTo("observe") },
  { name: "rules, untrack", begin: setTo("untrack") },
  { name: "rules, bypass", begin: setTo("bypass") },
  {
    name: "rules, NOTRACK",
    begin: async (node) => {
      await setBypass(node, "mode off");
      await node.sh("iptables-legacy -t raw -A PREROUTING -s 10.244.0.0/16 -d 10.244.0.0/16 -j CT --notrack");
    },
  },
  {
    name: "rules, flowtable",
    begin: (node) =>
      node.sh(`iptables-legacy -t raw -F PREROUTING
        links=$(ls /proc/sys/net/ipv4/conf | grep '^pw' | paste -sd ,)
        nft -f - <<END
table ip fast {
  flowtable f { hook ingress priority 0; devices = { eth0, $links }; }
  chain forward {
    type filter hook forward priority 0
    ct state established flow add @f
  }
}
END`),
  },
];

/** Services that nobody asks for, as kube-proxy has them, before the rules that all packets meet. */
function serviceRules(count: number): string {
  const services = `for index in $(seq ${count}); do
      echo "-A KUBE-SERVICES -d 10.97.$((index / 250)).$((index % 250)) -p udp --dport 53 -j DNAT --to-destination 10.244.9.9"; done`;
  const filter = `for index in $(seq ${Math.ceil(count / 50)}); do
      echo "-A KUBE-EXTERNAL-SERVICES -d 10.98.0.$((index % 250)) -p tcp --dport 80 -j REJECT"; done`;
  return `{ printf '*nat\\n:KUBE-SERVICES - [0:0]\\n-A PREROUTING -j KUBE-SERVICES\\n-A OUTPUT -j KUBE-SERVICES\\n'
    ${services}
    printf 'COMMIT\\n*filter\\n:KUBE-FORWARD - [0:0]\\n:KUBE-EXTERNAL-SERVICES - [0:0]\\n'
    printf '%s\\n' '-A FORWARD -j KUBE-FORWARD' '-A FORWARD -m conntrack --ctstate NEW -j KUBE-EXTERNAL-SERVICES'
    printf '%s\\n' '-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP'
    printf '%s\\n' '-A KUBE-FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT'
    printf '%s\\n' '-A KUBE-FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT'
    ${filter}
    printf 'COMMIT\\n'; } > /tmp/rules
    iptables-legacy-restore --noflush < /tmp/rules`;
}

async function sample(from: Pod, to: Pod): Promise<number> {
  const { sendBandwidth = 0, receiveBandwidth = 0 } = await qperf(from, to, "udp_bw");
  if (receiveBandwidth === 0) throw new Error("nothing arrived");
  return sendBandwidth;
}

async function measureStages(lab: Lab): Promise<{ name: string; samples: number[] }[]> {
  const { node1, node2 } = lab;
  const from = await pod(node1, conflistFor(node1, { timeout: 300 }));
  const to = await pod(node2, conflistFor(node2, { timeout: 300 }));
  await routeBetweenHosts(lab);
  const measured = [];
  for (const { name, begin } of stages) {
    await begin(node1);
    // Fills caches, and lets a second pass in which nothing is remembered.
    await sample(from, to);
    const samples = [];
    for (let round = 0; round < Number(options.rounds); round++) samples.push(await sample(from, to));
    console.error(`${name}: ${samples.join(" ")}`);
    measured.push({ name, samples });
  }
  return measured;
}

const lab = await startLab({ timing: "instructions", kernel: options.kernel as KernelVersion, nodes: 2 });
try {
  const measured = await measureStages(lab);
  const median = (samples: readonly number[]) => [...samples].sort((a, b) => a - b)[samples.length >> 1] ?? 0;
  const reference = median(measured[0]?.samples ?? []);
  const rows = measured.map(({ name, samples }) => [
    name,
    `${Math.round(median(samples))}`,
    (median(samples) / reference).toFixed(3),
  ]);
  console.log(
    format({ head: [`Linux ${options.kernel}, ${options.rules} Services`, "datagrams/s", "ratio"], rows }),
  );
  fs.mkdirSync(options.json, { recursive: true });
  const file = path.join(options.json, `bypass-${options.kernel}-${options.rules}.json`);
  fs.writeFileSync(file, JSON.stringify({ options, measured }, undefined, 2));
} finally {
  await lab.stop();
}
