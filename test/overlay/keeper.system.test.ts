// `podwire apply --watch` outlives files that are missing for a moment or cannot be read, and what it cannot repair.
import fs from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { executable } from "../fixture/node.ts";
import { type Cluster, type ClusterNode, declare, entryFor, startCluster } from "./cluster.ts";
import { eventually, type Watching, watch } from "./watching.ts";

const n2 = { node: "n2", address: "192.0.2.2", podCIDRs: ["10.244.2.0/24"] };
const vxlan = { type: "vxlan", peers: [n2] };
const nodeFile = "/etc/podwire/node.json";

let cluster: Cluster;
let node: ClusterNode;
let watching: Watching | undefined;
beforeEach(async () => {
  cluster = await startCluster(1);
  node = cluster.nodes[0] as ClusterNode;
  watching = undefined;
});
afterEach(async () => {
  await watching?.stop();
  await cluster.stop();
});

const said = () => watching?.said() ?? "";
const declareAs = (name: string, overlay: object | undefined) => {
  const list = { cniVersion: "1.1.0", name, plugins: [entryFor(node, overlay)] };
  node.write(`/etc/cni/net.d/${name}.conflist`, JSON.stringify(list));
};

/** With its index: another one would be another device. */
async function device(): Promise<string> {
  return node.run(
    "sh",
    "-c",
    "ip -br link show | grep pw- || true; ip -o link | grep -o '^[0-9]*: pw-' || true",
  );
}

/** Its process. */
async function monitorOf(program: "ip" | "nft"): Promise<string> {
  return (await node.run("pgrep", "-P", String(watching?.pid), "-f", `${program}.* monitor`)).trim();
}

describe("an overlay that nobody takes back is kept while", () => {
  async function isKeptWithout(file: string): Promise<void> {
    watching = await watch(node);
    const before = await device();
    expect(before).toMatch(/pw-vxlan/);
    const content = fs.readFileSync(node.file(file), "utf8");
    await node.run("rm", file);
    await eventually(() =>
      expect(said()).toMatch(/no overlay is declared any more.*last good configuration is kept/),
    );
    await node.run("ip", "route", "flush", "proto", "120");
    await eventually(async () =>
      expect(await node.run("ip", "route", "show", "proto", "120")).toMatch(/10\.244\.2\.0/),
    );
    node.write(file, content);
    await eventually(() => expect(said()).toMatch(/all is as declared/));
    expect(await device()).toBe(before);
  }

  test("node.json, which declares it for networks, is not there", async () => {
    declareAs("podnet", undefined);
    node.write(nodeFile, JSON.stringify({ overlay: vxlan }));
    await isKeptWithout(nodeFile);
  });

  test("the one of two networks that declares it is not there", async () => {
    declareAs("a", vxlan);
    declareAs("b", undefined);
    await isKeptWithout("/etc/cni/net.d/a.conflist");
  });

  test("only a network is there that never wanted it", async () => {
    declareAs("a", vxlan);
    declareAs("b", { type: "none" });
    await isKeptWithout("/etc/cni/net.d/a.conflist");
  });
});

test("an overlay that was applied before the keeper began is not taken away because its file is gone", async () => {
  declareAs("a", vxlan);
  declareAs("b", undefined);
  expect((await node.podwire("apply")).exitCode).toBe(0);
  const before = await device();
  await node.run("mv", "/etc/cni/net.d/a.conflist", "/etc/cni/away");
  const spoken = watch(node);
  await new Promise((resolve) => setTimeout(resolve, 2000));
  expect(await device()).toBe(before);
  await node.run("mv", "/etc/cni/away", "/etc/cni/net.d/a.conflist");
  watching = await spoken;
  expect(await device()).toBe(before);
  declareAs("a", { type: "none" });
  await eventually(async () => expect(await device()).toBe(""));
});

test("a file of peers that was not there yet is taken as soon as it is", async () => {
  declare(node, { type: "vxlan", peersFile: "/etc/podwire/late/peers.json" });
  await node.run("mkdir", "-p", "/etc/podwire/late");
  const spoken = watch(node);
  await new Promise((resolve) => setTimeout(resolve, 2000));
  node.write("/etc/podwire/late/peers.json", JSON.stringify([n2]));
  await eventually(async () => expect(await device()).toMatch(/pw-vxlan/), 2);
  watching = await spoken;
});

test("what its monitor could not take is looked for at once", async () => {
  declare(node, vxlan);
  watching = await watch(node);
  const monitor = await monitorOf("ip");
  const lines = Array.from({ length: 20_000 }, (_, index) => {
    return `route add 10.${100 + (index >> 8)}.${index & 255}.0/24 via 192.0.2.254`;
  });
  node.write("/run/many", lines.join("\n"));
  await node.run(
    "sh",
    "-ec",
    `kill -STOP ${monitor}; ip -batch /run/many; ip route delete 10.244.2.0/24; kill -CONT ${monitor}`,
  );
  await eventually(
    async () => expect(await node.run("ip", "route", "show", "10.244.2.0/24")).toMatch(/proto 120/),
    8,
  );
});

test("a program that is away for a while does not end it", async () => {
  declare(node, vxlan);
  const directory = "/run/bin";
  const link = `ln -s "$(command -v $name)" ${directory}/$name`;
  await node.run(
    "sh",
    "-ec",
    `mkdir ${directory}; for name in ip nft setpriv nsenter flock; do ${link}; done`,
  );
  watching = await watch(node, ["env", `PATH=${directory}`, executable, "apply", "--watch"]);
  const monitor = await monitorOf("nft");
  await node.run("sh", "-ec", `rm ${directory}/nft; kill -KILL ${monitor}`);
  await new Promise((resolve) => setTimeout(resolve, 2500));
  await node.run("sh", "-ec", `name=nft; ${link}; nft flush ruleset`);
  await eventually(async () => expect(await node.run("nft", "list", "ruleset")).toMatch(/tunnels4/), 20);
});

test("a program that undoes each repair is told of once, and has the keeper neither busy nor filling the log", async () => {
  declare(node, vxlan);
  watching = await watch(node);
  const undo = "ip -o monitor route | while read -r _; do ip route delete 10.244.2.0/24 proto 120; done";
  const undoing = node.attempt("timeout", ["60", "sh", "-c", `echo $PPID > /run/undoing; ${undo}`]);
  try {
    await eventually(() => node.run("ip", "route", "delete", "10.244.2.0/24", "proto", "120"));
    await eventually(() => expect(said()).toMatch(/made route 10\.244\.2\.0.*another program undoes it/), 40);
    const before = said();
    await new Promise((resolve) => setTimeout(resolve, 4000));
    expect(said()).toBe(before);
  } finally {
    await node.run("sh", "-c", "kill $(cat /run/undoing)");
    await undoing;
  }
  await eventually(
    async () => expect(await node.run("ip", "route", "show", "10.244.2.0/24")).toMatch(/proto 120/),
    4,
  );
});

test("an overlay goes when its network says none, also beside another network", async () => {
  declareAs("a", vxlan);
  declareAs("b", undefined);
  watching = await watch(node);
  declareAs("a", { type: "none" });
  await eventually(async () => expect(await device()).toBe(""));
});

test("a directory of configurations that cannot be read is said, and the overlay kept meanwhile", async () => {
  declare(node, vxlan);
  watching = await watch(node);
  await node.run(
    "sh",
    "-ec",
    "mv /etc/cni/net.d /etc/cni/away; touch /etc/cni/net.d; ip route flush proto 120",
  );
  await eventually(() => expect(said()).toMatch(/ENOTDIR.*the last good configuration is kept/));
  await eventually(async () =>
    expect(await node.run("ip", "route", "show", "proto", "120")).toMatch(/10\.244\.2\.0/),
  );
  await node.run("sh", "-ec", "rm /etc/cni/net.d; mv /etc/cni/away /etc/cni/net.d");
  await eventually(() => expect(said()).toMatch(/all is as declared/));
});

test("peers that the host has no route to are told once, the first few by their names; doctor has them too", async () => {
  const far = Array.from({ length: 8 }, (_, index) => ({
    node: `far${index}`,
    address: `198.51.100.${index + 1}`,
    podCIDRs: [`10.245.${index}.0/24`],
  }));
  await node.run("ip", "route", "delete", "default");
  declare(node, { type: "vxlan", underlay: "eth0", peers: [n2] });
  watching = await watch(node);
  declare(node, { type: "vxlan", underlay: "eth0", peers: [n2, ...far] });
  await eventually(() => expect(said()).toMatch(/warning: and 3 more/));
  expect(said()).toMatch(/warning: peer far0 \(198\.51\.100\.1\) cannot be reached: the host has no route/);
  await node.run("ip", "route", "flush", "proto", "120");
  await eventually(async () =>
    expect(await node.run("ip", "route", "show", "proto", "120")).toMatch(/10\.245\.7\.0/),
  );
  await eventually(() => expect(said()).toMatch(/made route 10\./));
  expect(said().match(/cannot be reached/g)).toHaveLength(5);
  const findings = JSON.parse((await node.podwire("doctor", "--json")).stdout) as { check: string }[];
  expect(findings.filter(({ check }) => check === "overlay peer")).toMatchObject([
    { level: "warning", found: expect.stringMatching(/^peer far0 .* cannot be reached/) },
    { found: expect.stringMatching(/^peer far1 /) },
    { found: expect.stringMatching(/^peer far2 /) },
    { found: "and 5 more" },
  ]);
});

test("pods that cannot be repaired are said, and the overlay is kept all the same", async () => {
  declare(node, vxlan);
  watching = await watch(node);
  const record = "/var/lib/podwire/podnet/c1:eth0.json";
  const stamp = { database: "unix:/run/switch/db.sock", bridge: "podwire0", identity: "of another one" };
  await node.run("mkdir", "-p", "/run/switch", record);
  node.write("/run/podwire/switch-podwire0", JSON.stringify(stamp));
  node.write("/run/switch/podwire0.mgmt", "");
  await eventually(() => expect(said()).toMatch(/pods cannot be repaired: .*EISDIR/));
  await node.run("ip", "route", "flush", "proto", "120");
  await eventually(async () =>
    expect(await node.run("ip", "route", "show", "proto", "120")).toMatch(/10\.244\.2\.0/),
  );
});

test.each([
  ["somebody flushed the filter", () => node.run("nft", "flush", "chain", "inet", "podwire", "tunnels")],
  ["the filter is of another port", async () => declare(node, { ...vxlan, port: 8472 })],
] as const)("a stranger among those that may send goes within 2 s, also after %s", async (_, change) => {
  declare(node, vxlan);
  watching = await watch(node);
  const filter = () => node.run("nft", "list", "table", "inet", "podwire");
  const before = await filter();
  await change();
  await eventually(async () =>
    expect(await node.run("nft", "list", "chain", "inet", "podwire", "tunnels")).toMatch(/dport/),
  );
  await new Promise((resolve) => setTimeout(resolve, 3000));
  for (let time = 0; time < 3; time++) {
    await node.run("nft", "add", "element", "inet", "podwire", "tunnels4", "{ 203.0.113.9 }");
    await eventually(async () => expect(await filter()).not.toMatch(/203\.0\.113\.9/), 2);
  }
  expect(before).toMatch(/192\.0\.2\.2/);
});

describe("programs that stand by for the next change of peers", () => {
  const n3 = { node: "n3", address: "192.0.2.3", podCIDRs: ["10.244.3.0/24"] };
  const standing = async () =>
    (await node.run("sh", "-c", `pgrep -P ${watching?.pid} -f -- '-batch -|-f -$' || true`))
      .split("\n")
      .filter(Boolean);

  beforeEach(async () => {
    declare(node, vxlan);
    watching = await watch(node);
    await eventually(async () => expect(await standing()).toHaveLength(3));
  });

  test("may be killed: it is made by others", async () => {
    await node.run("kill", "-KILL", ...(await standing()));
    await eventually(async () => expect(await standing()).toEqual([]));
    declare(node, { ...vxlan, peers: [n2, n3] });
    await eventually(async () =>
      expect(await node.run("ip", "route", "show", "proto", "120")).toMatch(/10\.244\.3\.0/),
    );
    await eventually(async () => expect(await standing()).toHaveLength(3));
    expect(said()).not.toMatch(/failed|refused|out of time/);
  });

  const areGone = async (pids: readonly string[]) =>
    eventually(() => expect(pids.filter((pid) => fs.existsSync(`/proc/${pid}`))).toEqual([]));

  test.each(["SIGTERM", "SIGKILL"] as const)("end with the keeper that gets %s", async (signal) => {
    const pids = await standing();
    await watching?.stop(signal);
    await areGone(pids);
  });

  test("that hang do not keep it from ending", async () => {
    const pids = await standing();
    await node.run("kill", "-STOP", ...pids);
    await watching?.stop();
    await areGone(pids);
  });
});

test.each([
  [
    "a rule that lets others in",
    "nft replace rule inet podwire tunnels handle HANDLE udp dport 4789 ip saddr 203.0.113.1 drop",
  ],
  [
    "another priority",
    "nft delete chain inet podwire tunnels; nft add chain inet podwire tunnels '{ type filter hook input priority 300; }'",
  ],
])("a filter with %s is made again", async (_, harm) => {
  declare(node, vxlan);
  watching = await watch(node);
  const filter = () => node.run("nft", "-a", "list", "chain", "inet", "podwire", "tunnels");
  const before = await node.run("nft", "list", "chain", "inet", "podwire", "tunnels");
  const handle = /saddr != @tunnels4.*# handle ([0-9]+)/.exec(await filter())?.[1] ?? "";
  await node.run("sh", "-ec", harm.replace("HANDLE", handle));
  await eventually(async () =>
    expect(await node.run("nft", "list", "chain", "inet", "podwire", "tunnels")).toBe(before),
  );
  expect(said()).not.toMatch(/refused/);
});
