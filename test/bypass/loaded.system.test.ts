// Where the module is loaded: what podwire sets it to as rules come and go, and what it says when it cannot.
import fs from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { bypassModuleStandIn, letBypassAge, type ModuleStandIn } from "../fixture/bypass-module.ts";
import { type CniAnswer, cni, network, succeed } from "../fixture/calls.ts";
import { expectFailure } from "../fixture/failure.ts";
import { startNode, type TestNode } from "../fixture/node.ts";
import { eventually, watch } from "../overlay/watching.ts";

let node: TestNode;
let module: ModuleStandIn;
beforeEach(async () => {
  node = await startNode();
  module = await bypassModuleStandIn(node);
});
afterEach(async () => node.stop());

const podwire = (...words: string[]) => node.attempt(module.podwire, words);
const dropRule = ["FORWARD", "-d", "10.244.0.0/16", "-j", "DROP"];

/** Adds a pod. */
async function add(container: string, config: object): Promise<CniAnswer> {
  await node.addPod(container);
  return succeed(node, { verb: "ADD", config, container, plugin: module.podwire });
}

function declare(config: Record<string, unknown>): string {
  const directory = "/run/conf";
  const { cniVersion, name, ...entry } = config;
  fs.mkdirSync(node.file(directory), { recursive: true });
  const conflist = JSON.stringify({ cniVersion, name, plugins: [entry] });
  fs.writeFileSync(node.file(`${directory}/10.conflist`), conflist);
  return directory;
}

const letTimePass = () => letBypassAge(node);

test("rules that come after the first pod are seen when another one comes a minute later", async () => {
  const config = network({ bypass: { mode: "auto" } });
  await add("pod1", config);
  expect(module.configuration()).toContain("mode bypass");
  await node.run("iptables", "-A", ...dropRule);
  expect((await add("pod2", config)).stderr).toBe("");
  expect(module.configuration()).toContain("mode bypass");
  letTimePass();
  expect((await add("pod3", config)).stderr).toMatch(/warn: .*bypass: off, because rule .*FORWARD/);
  expect(module.configuration()).toContain("mode off");
  letTimePass();
  expect((await add("pod4", config)).stderr).toBe("");
  await node.run("iptables", "-D", ...dropRule);
  letTimePass();
  await add("pod5", config);
  expect(module.configuration()).toContain("mode bypass");
});

test("rules are obeyed by an ADD also where the overlay cannot be told any more", async () => {
  const overlay = {
    type: "host-gw",
    peers: [{ node: "n2", address: "192.0.2.2", podCIDRs: ["10.244.2.0/24"] }],
  };
  const config = network({ overlay, bypass: { mode: "auto" } });
  await add("pod1", config);
  expect(module.configuration()).toMatch(/10\.244\.2\.0\/24/);
  await node.run("sh", "-c", "ip route delete default; ip -6 route delete default");
  await node.run("iptables", "-A", ...dropRule);
  letTimePass();
  expect((await add("pod2", config)).stderr).toMatch(/warn: .*bypass: off, because rule .*FORWARD/);
  await node.run("iptables", "-D", ...dropRule);
  letTimePass();
  await add("pod3", config);
  expect(module.configuration()).toMatch(/mode bypass(.|\n)*10\.244\.2\.0\/24/);
});

describe("mode on is reported by STATUS and status", () => {
  test.each([
    ["refuses", () => module.refuse("Cannot allocate memory"), "set: Cannot allocate memory"],
    [
      "cannot be controlled",
      () => fs.rmSync(node.file("/run/module/podwire-bypass-ctl")),
      "podwire-bypass-ctl is not in PATH",
    ],
  ])("where the module %s, and no pod fails", async (_, harm, why) => {
    const config = network({ bypass: { mode: "on" } });
    harm();
    expect((await add("pod1", config)).stderr).toContain("bypass: wished, but ");
    expectFailure(
      await cni(node, { verb: "STATUS", config, plugin: module.podwire }),
      50,
      why,
      "podwire apply",
    );
    // The next pod does not wait for it again.
    expect((await add("pod2", config)).stderr).toBe("");
  });

  test("where the rules cannot be listed in time, which one pod waits for and the next does not", async () => {
    const config = network({ bypass: { mode: "on" }, timeout: 8 });
    const status = () => cni(node, { verb: "STATUS", config, plugin: module.podwire });
    const nft = node.file("/run/module/nft");
    fs.writeFileSync(nft, "#!/bin/sh\necho >> /run/module/listings\nexec sleep 60\n", { mode: 0o755 });
    expect((await add("pod1", config)).stderr).toMatch(/warn: .*bypass: stays as it is: out of time/);
    const listings = () => fs.readFileSync(node.file("/run/module/listings"), "utf8");
    const tried = listings();
    expect((await add("pod2", config)).stderr).toBe("");
    expectFailure(await status(), 50, /time/, "podwire apply");
    expect(listings()).toBe(tried);
    fs.rmSync(nft);
    letTimePass();
    await succeed(node, { verb: "STATUS", config, plugin: module.podwire });
    expect(module.configuration()).toContain("mode bypass");
  });

  test("until it takes what it refused, which STATUS tries a minute later", async () => {
    const config = network({ bypass: { mode: "on" } });
    const status = () => cni(node, { verb: "STATUS", config, plugin: module.podwire });
    module.refuse("Cannot allocate memory");
    await add("pod1", config);
    letTimePass();
    expectFailure(await status(), 50, "Cannot allocate memory");
    module.refuse(undefined);
    expectFailure(await status(), 50, "Cannot allocate memory");
    letTimePass();
    expect(await status()).toMatchObject({ exitCode: 0, stdout: "" });
    expect(module.configuration()).toContain("mode bypass");
  });

  test("until podwire apply has it taken", async () => {
    const config = network({ bypass: { mode: "on" } });
    module.refuse("Cannot allocate memory");
    await add("pod1", config);
    expect((await podwire("bypass", "status")).stdout).toContain(
      "network podnet (on) wishes it, but the bypass module refused: set: Cannot allocate memory",
    );
    module.refuse(undefined);
    expect(await podwire("apply", "--conf-dir", declare(config))).toMatchObject({ exitCode: 0 });
    await succeed(node, { verb: "STATUS", config, plugin: module.podwire });
  });
});

test("a module that refused a change is switched off all the same when nobody wishes it any more", async () => {
  const config = network({ bypass: { mode: "auto" } });
  await add("pod1", config);
  module.refuse("Cannot allocate memory");
  await add("pod2", network({ bypass: { mode: "auto", pods: ["10.250.0.0/16"] } }));
  expect(module.configuration()).toContain("mode bypass");
  module.refuse(undefined);
  const valid = { "cni.dev/valid-attachments": [{ containerID: "pod1", ifname: "eth0" }] };
  const left = { ...network({ bypass: { mode: "off" } }), ...valid };
  await succeed(node, { verb: "GC", config: left, plugin: module.podwire });
  expect(module.configuration()).toContain("mode off");
});

test("the kill switch is in status, in its JSON and in doctor", async () => {
  const config = network({ bypass: { mode: "auto" } });
  await add("pod1", config);
  const look = async () => JSON.parse((await podwire("bypass", "status", "--json")).stdout) as object;
  expect(await look()).toMatchObject({ mode: "bypass", disabled: false });
  module.disable();
  expect(await look()).toMatchObject({ mode: "bypass", disabled: true });
  expect((await podwire("bypass", "status")).stdout).toMatch(
    /^not working: the module's parameter `disabled`/,
  );
  expect((await podwire("doctor", "--conf-dir", declare(config))).stdout).toMatch(
    /warning +bypass: the module's parameter `disabled` is on.*echo 0 > \/sys\/module/s,
  );
});

test("under --watch rules are judged, and the lease is renewed, also while the overlay cannot be brought about", async () => {
  const overlay = {
    type: "host-gw",
    peers: [{ node: "n2", address: "192.0.2.2", podCIDRs: ["10.244.2.0/24"] }],
  };
  const directory = declare(network({ overlay, bypass: { mode: "auto", lease: 6 } }));
  const watching = await watch(node, [module.podwire, "apply", "--watch", "--conf-dir", directory]);
  try {
    expect(module.configuration()).toContain("mode bypass");
    await node.run("sh", "-c", "ip route delete default; ip -6 route delete default");
    await eventually(() => expect(watching.said()).toContain("underlay"), 60);
    const before = module.renewals();
    await eventually(() => expect(module.renewals()).toBeGreaterThan(before), 30);
    await node.run("iptables", "-A", ...dropRule);
    await eventually(() => expect(watching.said()).toContain("bypass: off, because rule"), 60);
    expect(module.configuration()).toContain("mode off");
  } finally {
    await watching.stop();
  }
});
