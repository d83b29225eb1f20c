// Which addresses the world sees: with ipMasq the node's, without it the pod's own, between pods always the pod's
// own. Rules of others stay as they are, and pods reach themselves through published ports.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import { afterEach, beforeEach, describe, expect, type TestContext, test } from "vitest";
import { type CniCall, cni, dualStackIpam, network, succeed } from "../fixture/calls.ts";
import { lacks } from "../fixture/lacking.ts";
import { masqueradedAddresses } from "../fixture/machine-state.ts";
import {
  hostAddress,
  hostAddress6,
  outsideAddress,
  outsideAddress6,
  referencePluginDir,
  startNode,
  type TestNode,
} from "../fixture/node.ts";
import { locate, podwireWith } from "../fixture/programs.ts";
import { shape } from "../fixture/shape/shape.ts";

let node: TestNode;
const running: ChildProcess[] = [];
beforeEach(async () => {
  node = await startNode();
});
afterEach(async () => {
  for (const child of running.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill("SIGKILL");
    await once(child, "exit");
  }
  await node.stop();
});

/** Answers each connection with the client's address, after it has read `bytes`. */
const server = `
const net = require("node:net");
net.createServer((socket) => {
  const wanted = Number(process.argv[1]);
  let size = 0;
  const answer = () => socket.end(JSON.stringify({ from: socket.remoteAddress.replace("::ffff:", ""), size }));
  socket.on("error", () => {});
  if (wanted === 0) return answer();
  socket.on("data", (data) => { size += data.length; if (size >= wanted) answer(); });
}).listen(9000, "::", () => console.log("listening"));
`;

const client = `
const net = require("node:net");
const [host, port, bytes] = process.argv.slice(1);
const socket = net.connect({ host, port: Number(port), timeout: 8000 });
socket.on("timeout", () => { console.error("timeout"); process.exit(1); });
socket.on("error", (error) => { console.error(error.message); process.exit(1); });
socket.on("connect", () => { if (Number(bytes) > 0) socket.write(Buffer.alloc(Number(bytes), 7)); });
socket.pipe(process.stdout);
`;

/** Serves in a netns of the node until the test ends. */
async function serve(netns: string, bytes = 0): Promise<void> {
  const args = ["-t", String(node.pid), "-m", "-n", "--", "nsenter", `--net=/run/netns/${netns}`, "--"];
  const child = spawn("nsenter", [...args, process.execPath, "-e", server, String(bytes)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  running.push(child);
  await once(child.stdout as NodeJS.ReadableStream, "data");
}

async function connect(
  netns: string,
  host: string,
  port = 9000,
  bytes = 0,
): Promise<{ from: string; size: number }> {
  const answer = await node.runIn(netns, process.execPath, "-e", client, host, String(port), String(bytes));
  return JSON.parse(answer);
}

async function addPod(
  name: string,
  overrides: Record<string, unknown>,
  call: Partial<CniCall> = {},
): Promise<[string, string]> {
  await node.addPod(name);
  const config = network({ ipam: dualStackIpam, ...overrides });
  const { json } = await succeed(node, { verb: "ADD", container: name, config, ...call });
  return json.ips.map((ip: { address: string }) => ip.address.split("/")[0]) as [string, string];
}

const routeBack = () =>
  node.run(
    "sh",
    "-ec",
    `ip -n outside route add 10.244.0.0/16 via ${hostAddress}; ip -n outside -6 route add fd00:10:244::/48 via ${hostAddress6}`,
  );

describe("the world outside sees", () => {
  test("the node's address with ipMasq, in both families", async () => {
    await addPod("pod1", { ipMasq: true });
    await serve("outside");
    await routeBack();
    expect((await connect("pod1", outsideAddress)).from).toBe(hostAddress);
    expect((await connect("pod1", outsideAddress6)).from).toBe(hostAddress6);
  });

  test("the same with an nft before 1.0.2, which does not read from a socket", async () => {
    const words = 'internal:0:0-0: Error: Could not open file "/dev/stdin": No such device or address';
    const refusal = `if [ "$2" = - ] && [ -S /proc/self/fd/0 ]; then echo '${words}' >&2; exit 1; fi`;
    const plugin = podwireWith(node, { nft: `${refusal}; exec ${locate("nft")} "$@"` });
    await addPod("pod1", { ipMasq: true }, { plugin });
    await serve("outside");
    await routeBack();
    expect((await connect("pod1", outsideAddress)).from).toBe(hostAddress);
    const config = network({ ipMasq: true, ipam: dualStackIpam });
    await succeed(node, { verb: "DEL", config, plugin });
    expect(await masqueradedAddresses(node)).toEqual([]);
    expect(fs.readdirSync(node.file("/run/podwire")).filter((name) => name.startsWith("nft"))).toEqual([]);
  });

  test("the pod's own address without", async () => {
    const [ipv4, ipv6] = await addPod("pod1", {});
    await serve("outside");
    await routeBack();
    expect((await connect("pod1", outsideAddress)).from).toBe(ipv4);
    expect((await connect("pod1", outsideAddress6)).from).toBe(ipv6);
  });

  test("the pod's own address again once another network's pod had it with ipMasq", async () => {
    const [ipv4] = await addPod("pod1", { ipMasq: true });
    await succeed(node, { verb: "DEL", config: network({ ipMasq: true, ipam: dualStackIpam }) });
    const [again] = await addPod("pod2", { name: "othernet" });
    expect(again).toBe(ipv4);
    await serve("outside");
    await routeBack();
    expect((await connect("pod2", outsideAddress)).from).toBe(ipv4);
  });

  test("each network's pods as that network wants it", async () => {
    await addPod("pod1", { ipMasq: true });
    const ranges = [[{ subnet: "10.244.200.0/24" }]];
    const [plain] = await addPod("pod2", {
      name: "plain",
      ipam: { type: "host-local", ranges, routes: [{ dst: "0.0.0.0/0" }] },
    });
    await serve("outside");
    await routeBack();
    expect((await connect("pod1", outsideAddress)).from).toBe(hostAddress);
    expect((await connect("pod2", outsideAddress)).from).toBe(plain);
  });
});

describe("a pod sees", () => {
  test("other pods' own addresses with ipMasq, in both families", async () => {
    const first = await addPod("pod1", { ipMasq: true });
    const second = await addPod("pod2", { ipMasq: true });
    await serve("pod2");
    expect((await connect("pod1", second[0])).from).toBe(first[0]);
    expect((await connect("pod1", second[1])).from).toBe(first[1]);
  });

  test("clients from outside as they are", async () => {
    const [ipv4, ipv6] = await addPod("pod1", { ipMasq: true });
    await serve("pod1");
    await routeBack();
    expect((await connect("outside", ipv4)).from).toBe(outsideAddress);
    expect((await connect("outside", ipv6)).from).toBe(outsideAddress6);
  });
});

/** By what iptables said: the kernel's part of it cannot be installed, all else can. */
function skipIfKernelLacks(words: string, context: TestContext): void {
  if (!/do you need to insmod|missing kernel module/.test(words)) return;
  console.warn(`SKIPPED, NOT TESTED: ${context.task.name}: ${words}`);
  context.skip(words);
}

test("several MB arrive whole", async () => {
  const bytes = 8_000_000;
  await addPod("pod1", { ipMasq: true });
  const second = await addPod("pod2", { ipMasq: true });
  await serve("pod2", bytes);
  await serve("outside", bytes);
  for (const address of [...second, outsideAddress]) {
    expect((await connect("pod1", address, 9000, bytes)).size).toBe(bytes);
  }
});

test.skipIf(!shape.hasOffloads || lacks("offloads", "ethtool"))("offloads stay on at both ends", async () => {
  await addPod("pod1", { ipMasq: true });
  const hostLink = await shape.hostLink(node);
  const ends = [await node.runIn("pod1", "ethtool", "-k", "eth0"), await node.run("ethtool", "-k", hostLink)];
  for (const end of ends) {
    expect(end).toMatch(/^tcp-segmentation-offload: on/m);
    expect(end).toMatch(/^generic-segmentation-offload: on/m);
  }
});

test.each([
  ["one subnet twice", ["10.244.9.0/24 10.244.9.10", "10.244.9.0/24 10.244.9.60"]],
  ["subnets that nft joins to one", ["10.244.0.0/24", "10.244.1.0/24", "10.244.2.0/24"]],
])("%s passes CHECK, for every pod", async (_, sets) => {
  const ranges = sets.map((text) => {
    const [subnet, start] = text.split(" ");
    return [
      start === undefined ? { subnet } : { subnet, rangeStart: start, rangeEnd: start.replace(/0$/, "9") },
    ];
  });
  const config = network({ ipMasq: true, ipam: { type: "host-local", ranges } });
  for (const container of ["pod1", "pod2"]) {
    await node.addPod(container);
    const { json: prevResult } = await succeed(node, { verb: "ADD", container, config });
    await succeed(node, { verb: "CHECK", container, config: { ...config, prevResult } });
  }
});

describe("rules of others", () => {
  const tools = ["iptables-nft", "ip6tables-nft", "iptables-legacy", "ip6tables-legacy"];
  test.for(tools)("stay as they are: %s", async (tool, context) => {
    if (lacks("rules of others", tool)) context.skip(`no ${tool}`);
    const rules = [
      [tool, "-A", "FORWARD", "-m", "comment", "--comment", "theirs", "-j", "ACCEPT"],
      [tool, "-t", "nat", "-A", "POSTROUTING", "-o", "nowhere", "-j", "MASQUERADE"],
    ];
    for (const rule of rules) {
      const { exitCode, stderr } = await node.attempt(rule[0] ?? "", rule.slice(1));
      if (exitCode !== 0) skipIfKernelLacks(stderr, context);
      expect(exitCode, stderr).toBe(0);
    }
    const list = async () => {
      const tables = [await node.attempt(tool, ["-S"]), await node.attempt(tool, ["-t", "nat", "-S"])];
      return tables.map(({ stdout }) => stdout).join("\n");
    };
    const before = await list();
    expect(before).toMatch(/theirs.*nowhere/s);
    await addPod("pod1", { ipMasq: true });
    expect(await list()).toBe(before);
    await serve("outside");
    expect((await connect("pod1", outsideAddress)).from).toBe(hostAddress);
    await succeed(node, { verb: "DEL", config: network({ ipMasq: true, ipam: dualStackIpam }) });
    const list2 = { "cni.dev/valid-attachments": [] };
    await succeed(node, {
      verb: "GC",
      config: { ...network({ ipMasq: true, ipam: dualStackIpam }), ...list2 },
    });
    expect(await list()).toBe(before);
  });

  test("in nftables stay as they are, also in a table that could be mistaken for podwire's", async () => {
    const theirs = ["ip podwire", "ip6 podwire", "inet podwire2", "inet masquerade-podnet"];
    for (const table of theirs)
      await node.run(
        "nft",
        `add table ${table}; add chain ${table} c { type filter hook forward priority 0; }`,
      );
    const list = () => Promise.all(theirs.map((table) => node.run("nft", `list table ${table}`)));
    const before = await list();
    await addPod("pod1", { ipMasq: true });
    await succeed(node, { verb: "DEL", config: network({ ipMasq: true, ipam: dualStackIpam }) });
    const config = { ...network({ ipam: dualStackIpam }), "cni.dev/valid-attachments": [] };
    await succeed(node, { verb: "GC", config });
    expect(await list()).toEqual(before);
  });
});

const portmap = `${referencePluginDir}/portmap`;
if (!fs.existsSync(portmap))
  console.warn(`SKIPPED, NOT TESTED: published ports: no portmap in ${referencePluginDir}`);

describe.skipIf(!fs.existsSync(portmap))("a published port of portmap behind podwire", () => {
  const runtimeConfig = { portMappings: [{ hostPort: 8080, containerPort: 9000, protocol: "tcp" }] };

  test("is reached from outside, from the host, from other pods and from the pod itself", async (context) => {
    await node.addPod("pod1");
    const config = network({ cniVersion: "1.0.0", ipMasq: true, ipam: dualStackIpam });
    const { json: prevResult } = await succeed(node, { verb: "ADD", config });
    const mapped = { cniVersion: "1.0.0", name: "podnet", type: "portmap", runtimeConfig, prevResult };
    const answer = await cni(node, { verb: "ADD", plugin: portmap, config: mapped });
    if (answer.exitCode !== 0) skipIfKernelLacks(answer.stdout, context);
    expect(answer.exitCode, answer.stdout).toBe(0);
    await serve("pod1");
    const [other] = await addPod("pod2", { cniVersion: "1.0.0", ipMasq: true });
    expect((await connect("outside", hostAddress, 8080)).from).toBe(outsideAddress);
    const seen = shape.hasShortcut ? hostAddress : other;
    expect((await connect("pod2", hostAddress, 8080)).from).toBe(seen);
    expect((await connect("pod1", hostAddress, 8080)).size).toBe(0);
    const fromHost = await node.run(process.execPath, "-e", client, hostAddress, "8080", "0");
    expect(JSON.parse(fromHost)).toHaveProperty("from");
    await succeed(node, { verb: "CHECK", config: { ...config, prevResult } });
    await succeed(node, { verb: "DEL", plugin: portmap, config: mapped });
  });
});
