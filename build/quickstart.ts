// The demonstration: a node of its own with an uplink, two pods wired through a conflist of conf/ by the built
// executable as a runtime would, traffic between all of them, what was set up, and what is left afterwards.
import path from "node:path";
import { cni } from "../test/fixture/calls.ts";
import {
  hostAddress,
  hostAddress6,
  outsideAddress,
  outsideAddress6,
  startNode,
  type TestNode,
} from "../test/fixture/node.ts";
import { podwireEntry } from "./conflist.ts";

const conflist = "conf/10-podwire-dualstack.conflist";
const pods = ["pod1", "pod2"] as const;

interface Pod {
  readonly name: string;
  /** One per family. */
  readonly addresses: readonly string[];
  readonly result: object;
}

async function demonstrate(node: TestNode): Promise<void> {
  const config = podwireEntry(path.join(import.meta.dirname, "..", conflist));
  title(`Adding pods through ${conflist}`);
  const wired: Pod[] = [];
  for (const name of pods) wired.push(await addPod(node, name, config));
  title("On the host");
  await show(node, ["ip", "-brief", "address"]);
  await show(node, ["ip", "route"]);
  await show(node, ["ip", "-6", "route"]);
  await show(node, ["nft", "list", "chain", "inet", "podwire", `masquerade-${config["name"]}`]);
  title("In pod1");
  const inPod = ["ip", "-n", "pod1"];
  await show(node, [...inPod, "link", "show", "eth0"]);
  await show(node, [...inPod, "-brief", "address"]);
  await show(node, [...inPod, "route"]);
  await show(node, [...inPod, "-6", "route"]);
  await show(node, [...inPod, "neighbour"]);
  title("Traffic from pod1");
  const targets = {
    pod2: wired[1]?.addresses ?? [],
    "its host": [hostAddress, hostAddress6],
    "outside, masqueraded": [outsideAddress, outsideAddress6],
  };
  for (const [name, addresses] of Object.entries(targets))
    for (const address of addresses) await ping(node, name, address);
  title("CHECK, then DEL");
  for (const { name, result } of wired) await call(node, "CHECK", name, { ...config, prevResult: result });
  for (const { name, result } of wired) await call(node, "DEL", name, { ...config, prevResult: result });
  await requireNothingLeft(node);
}

async function addPod(node: TestNode, name: string, config: object): Promise<Pod> {
  await node.addPod(name);
  const result = (await call(node, "ADD", name, config)) as { ips: { address: string }[] };
  const addresses = result.ips.map(({ address }) => address.replace(/\/.*/, ""));
  console.log(`       ${addresses.join("  ")}`);
  return { name, addresses, result };
}

async function call(node: TestNode, verb: string, container: string, config: object): Promise<unknown> {
  const start = performance.now();
  const { exitCode, json, stdout, stderr } = await cni(node, { verb, container, config });
  const took = `${(performance.now() - start).toFixed(0)} ms`;
  console.log(`${verb.padEnd(5)}  ${container}  ${exitCode === 0 ? "ok" : "FAILED"}  ${took.padStart(7)}`);
  if (exitCode !== 0) throw new Error(`${verb} of ${container} failed: ${stdout}${stderr}`);
  return json;
}

async function show(node: TestNode, [program = "", ...args]: readonly string[]): Promise<void> {
  const output = await node.run(program, ...args);
  console.log(`$ ${[program, ...args].join(" ")}\n${output.trimEnd().replace(/^/gm, "    ")}`);
}

async function ping(node: TestNode, name: string, address: string): Promise<void> {
  const output = await node.runIn("pod1", "ping", "-c", "3", "-i", "0.2", "-W", "2", address);
  const loss = /([0-9.]+)% packet loss/.exec(output)?.[1];
  const average = /= [0-9.]+\/([0-9.]+)\//.exec(output)?.[1];
  console.log(`${name.padEnd(21)}${address.padEnd(20)}${loss}% lost, ${average} ms`);
}

async function requireNothingLeft(node: TestNode): Promise<void> {
  const links = await node.run("sh", "-c", "ip -brief link | grep ^pw || true");
  const files = await node.run(
    ...["find", "/var/lib/podwire", "/var/lib/cni", "-type", "f"],
    // What host-local keeps for good: the address it gave out last, and the reference plugin's lock.
    ...["!", "-name", "last_reserved_ip.*", "!", "-name", "lock"],
  );
  const left = `${links}${files}`;
  if (left !== "") throw new Error(`left behind after DEL:\n${left}`);
  console.log("No links, records or address leases are left.");
}

function title(text: string): void {
  console.log(`\n== ${text}`);
}

console.log(
  `A node of its own: network and mount namespaces with an uplink ${hostAddress}, ${hostAddress6}.`,
);
console.log("The machine's own network is not touched.");
let node: TestNode | undefined;
let interrupted = false;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    interrupted = true;
    void node?.stop();
  });
}
try {
  node = await startNode();
  await demonstrate(node);
  console.log("\nIt works. To run all tests: sudo ./build/test");
} catch (error) {
  const reason = error instanceof Error ? error.message : error;
  console.error(interrupted ? "\nInterrupted: the node and its pods are gone." : `\nFailed: ${reason}`);
  process.exitCode = 1;
} finally {
  await node?.stop();
}
