// Nodes on one underlay, for tests of overlays: each has network and mount namespaces of its own, and they are joined by a
// bridge in a namespace that is nobody's node. All ends with the first processes of the namespaces.
import fs from "node:fs";
import { ask, serve } from "../chain/traffic.ts";
import { succeed } from "../fixture/calls.ts";
import { type Execution, executable, startNode, type TestNode } from "../fixture/node.ts";

const firstProcess = `
set -e
mount --make-rprivate /
for directory in /run /etc/podwire /etc/cni /var/lib/podwire /var/lib/cni; do
  mkdir -p $directory
  mount -t tmpfs tmpfs $directory
done
mkdir -p /etc/cni/net.d
ip link set lo up
echo ready
exec sleep infinity
`;

export interface ClusterNode extends TestNode {
  readonly number: number;
  readonly name: string;
  readonly address: string;
  readonly address6: string;
  /** As an entry of peers. */
  readonly peer: PeerEntry;
  /** Writes a file of the node. */
  write(file: string, content: string): void;
  /** Runs podwire's command line. */
  podwire(...words: string[]): Promise<Execution>;
}

export interface PeerEntry {
  readonly node: string;
  readonly address: string;
  readonly address6?: string;
  readonly podCIDRs: readonly string[];
}

export interface Cluster {
  readonly nodes: readonly ClusterNode[];
  /** Where packets between nodes can be looked at: its bridge is "switch", its ports "n1" and so on. */
  readonly underlay: TestNode;
  stop(): Promise<void>;
}

export const podPrefixes = (number: number) => [`10.244.${number}.0/24`, `fd00:10:244:${number}::/64`];

/** `family`: of the addresses by which peers know each other. */
export async function startCluster(count: number, { family = 4, mtu = 1500 } = {}): Promise<Cluster> {
  const underlay = await startNode(firstProcess);
  await underlay.run("ip", "link", "add", "switch", "mtu", String(mtu), "type", "bridge");
  await underlay.run("ip", "link", "set", "switch", "up");
  const nodes: ClusterNode[] = [];
  for (let number = 1; number <= count; number++) nodes.push(await join(underlay, number, family, mtu));
  return {
    nodes,
    underlay,
    stop: async () => {
      await Promise.all([...nodes, underlay].map((node) => node.stop()));
    },
  };
}

async function join(underlay: TestNode, number: number, family: number, mtu: number): Promise<ClusterNode> {
  const node = await startNode(firstProcess);
  const address = `192.0.2.${number}`;
  const address6 = `2001:db8::${number}`;
  const script = `
    ip link add n${number} mtu ${mtu} type veth peer name eth0 mtu ${mtu} netns ${node.pid}
    ip link set n${number} master switch up`;
  await underlay.run("sh", "-ec", script);
  const ownScript = `
    echo 0 > /proc/sys/net/ipv6/conf/eth0/accept_dad
    ip link set eth0 up
    ip address add ${address}/24 dev eth0
    ip address add ${address6}/64 dev eth0 nodad
    ip route add default via 192.0.2.254`;
  await node.run("sh", "-ec", ownScript);
  const known = family === 4 ? address : address6;
  return {
    ...node,
    number,
    name: `n${number}`,
    address,
    address6,
    peer: { node: `n${number}`, address: known, podCIDRs: podPrefixes(number) },
    write: (file, content) => fs.writeFileSync(node.file(file), content),
    podwire: (...words) => node.attempt(executable, words),
  };
}

/** The network's entry in a node's conflist. */
export function entryFor(
  node: ClusterNode,
  overlay: object | undefined,
  changes: object = {},
): Record<string, unknown> {
  return {
    type: "podwire",
    ...(overlay === undefined ? {} : { overlay }),
    ipam: {
      type: "host-local",
      ranges: podPrefixes(node.number).map((subnet) => [{ subnet }]),
      routes: [{ dst: "0.0.0.0/0" }, { dst: "::/0" }],
    },
    ...changes,
  };
}

export function declare(node: ClusterNode, overlay: object, changes: object = {}): void {
  const list = { cniVersion: "1.1.0", name: "podnet", plugins: [entryFor(node, overlay, changes)] };
  node.write("/etc/cni/net.d/10-podwire.conflist", JSON.stringify(list));
}

export interface ClusterPod {
  readonly node: ClusterNode;
  readonly name: string;
  readonly ipv4: string;
  readonly ipv6: string;
  readonly mtu: number;
  run(program: string, ...args: string[]): Promise<string>;
}

/** Adds a pod by ADD alone. */
export async function addPod(
  node: ClusterNode,
  overlay: object | undefined,
  name = `pod-${node.name}`,
  changes: object = {},
): Promise<ClusterPod> {
  await node.addPod(name);
  const config = { cniVersion: "1.1.0", name: "podnet", ...entryFor(node, overlay, changes) };
  const { json } = await succeed(node, { verb: "ADD", config, container: name });
  const addresses: string[] = json.ips.map((ip: { address: string }) => ip.address.replace(/\/.*/, ""));
  return {
    node,
    name,
    ipv4: addresses.find((one) => !one.includes(":")) ?? "",
    ipv6: addresses.find((one) => one.includes(":")) ?? "",
    mtu: json.interfaces.at(-1).mtu,
    run: (program, ...args) => node.runIn(name, program, ...args),
  };
}

export async function ping(from: ClusterPod, to: string, ...options: string[]): Promise<string> {
  return from.run("ping", "-n", "-c", "1", "-W", "3", ...options, to);
}

const megabyte = 1024 * 1024;

/** Sends by TCP; returns how many megabytes arrived. */
export async function transfer(
  from: ClusterPod,
  to: ClusterPod,
  family: 4 | 6,
  megabytes = 64,
): Promise<number> {
  const port = 5000;
  const server = await serve(to.node, to.name, port);
  try {
    const call = { from: from.name, to: family === 4 ? to.ipv4 : to.ipv6, port, bytes: megabytes * megabyte };
    return (await ask(from.node, call)).received / megabyte;
  } finally {
    await server.stop();
  }
}
