// The STT module on the lab's nodes: compiled for their kernel, loaded, and a tunnel between two of them.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { run } from "../host/run.ts";
import type { Lab } from "../lab.ts";
import type { Endpoint, LabNode } from "../machine/node.ts";
import { compile } from "../modules/compile.ts";

const source = path.join(import.meta.dirname, "../../../stt-tunnel");
const tools = {
  replay: path.join(import.meta.dirname, "replay.c"),
  "podwire-stt-ctl": path.join(source, "ctl/podwire-stt-ctl.c"),
};

/** Where it is on the nodes. */
export const moduleFile = "/usr/local/bin/podwire_stt.ko";

export type Family = 4 | 6;

/** Puts the module and its tools on all nodes, and loads it. */
export async function loadModule(lab: Lab): Promise<void> {
  const { modules } = await compile(source, lab.kernel);
  const [module] = modules;
  if (module === undefined) throw new Error("the compiler left no module");
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "podwire-stt-"));
  try {
    const archive = `${directory}/archive.tar.gz`;
    // What debuggers want is 98 percent of it, and an emulated processor has to decrypt it on its way.
    await run(["strip", "--strip-debug", "-o", `${directory}/podwire_stt.ko`, module]);
    for (const [name, file] of Object.entries(tools))
      await run([
        "gcc",
        "-O2",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-static",
        "-s",
        "-o",
        `${directory}/${name}`,
        file,
      ]);
    await run(["tar", "-czf", archive, "-C", directory, "podwire_stt.ko", ...Object.keys(tools)]);
    const input = fs.readFileSync(archive).toString("base64");
    for (const node of lab.nodes)
      await node.sh(`base64 -d | tar -xz -C /usr/local/bin; insmod ${moduleFile}`, { input });
  } finally {
    fs.rmSync(directory, { recursive: true });
  }
}

/** The ends inside of the tunnel, as addresses of the nodes' own. */
export function endOf(node: LabNode): Endpoint & { readonly address6: string } {
  return {
    name: `the tunnel's end on ${node.name}`,
    address: `10.9.${node.number}.1`,
    address6: `fd00:9:${node.number}::1`,
    sh: node.sh,
  };
}

export interface TunnelSettings {
  readonly underlay?: Family;
  readonly output?: "full" | "notrack" | "none";
  readonly mtu?: number;
}

/** Makes the link and the routes to the other node as iproute2 can, then what only the tool can. */
export async function openTunnel({ node1, node2 }: Lab, settings: TunnelSettings = {}): Promise<void> {
  const { underlay = 4, output, mtu } = settings;
  const open = (node: LabNode, other: LabNode) => {
    const [own, its] = [endOf(node), endOf(other)];
    const encapsulation = encapsulationTo(other, underlay);
    return node.sh(`
      ip link add pw-stt ${mtu === undefined ? "" : `mtu ${mtu}`} type stt
      ${output === undefined ? "" : `podwire-stt-ctl set pw-stt output ${output}`}
      ip address add ${own.address}/32 dev pw-stt
      ip address add ${own.address6}/128 dev pw-stt
      ip link set pw-stt up
      ip route add ${its.address}/32 ${encapsulation} dev pw-stt src ${own.address}
      ip -6 route add ${its.address6}/128 ${encapsulation} dev pw-stt src ${own.address6}`);
  };
  await Promise.all([open(node1, node2), open(node2, node1)]);
}

/** As routes have it. */
export function encapsulationTo({ address, address6 }: LabNode, underlay: Family): string {
  return underlay === 4 ? `encap ip id 100 dst ${address}` : `encap ip6 id 100 dst ${address6}`;
}

export async function closeTunnel({ nodes }: Lab): Promise<void> {
  await Promise.all(nodes.map((node) => node.sh("ip link delete pw-stt")));
}

export type Counters = Readonly<Record<string, number>>;

/** What `ethtool -S` says. */
export async function counters(node: LabNode, link = "pw-stt"): Promise<Counters> {
  const lines = (await node.sh(`ethtool -S ${link}`)).matchAll(/^ +(\w+): (\d+)$/gm);
  return Object.fromEntries([...lines].map(([, name, value]) => [name, Number(value)]));
}

/** How the counters changed while `act` ran, without those that did not. */
export async function counted(node: LabNode, act: () => Promise<unknown>): Promise<Counters> {
  const before = await counters(node);
  await act();
  return changesOf(before, await counters(node));
}

export function changesOf(before: Counters, after: Counters): Counters {
  const changes = Object.entries(after).map(([name, value]) => [name, value - (before[name] ?? 0)] as const);
  return Object.fromEntries(changes.filter(([, change]) => change !== 0));
}

/** What the nodes' cards segment and join. */
export async function setOffloads({ nodes }: Lab, state: "on" | "off"): Promise<void> {
  for (const node of nodes) await node.sh(`ethtool -K eth0 tso ${state} gso ${state} gro ${state}`);
}
