// A change of the overlay that cannot be had leaves the one before as it was, its filter too, and never filters what is somebody else's.
import fs from "node:fs";
import { describe, expect, test } from "vitest";
import { cni } from "../fixture/calls.ts";
import { expectFailure } from "../fixture/failure.ts";
import { executable } from "../fixture/node.ts";
import { addPod, declare, entryFor } from "./cluster.ts";
import { loneNode } from "./lone-node.ts";
import { stateScript } from "./state.ts";
import { eventually, watch } from "./watching.ts";
import { wrap } from "./wrapped-programs.ts";

const node = loneNode();

const n2 = { node: "n2", address: "192.0.2.2", podCIDRs: ["10.244.2.0/24", "fd00:10:244:2::/64"] };
const vxlan = (port = 4789) => ({ type: "vxlan", port, peers: [n2] });

async function state(): Promise<string> {
  return node().run("sh", "-c", `${stateScript()}\nnft list ruleset`);
}

async function apply(overlay: object): Promise<void> {
  declare(node(), overlay);
  const { exitCode, stderr } = await node().podwire("apply");
  expect(exitCode, stderr).toBe(0);
}

async function refuse(overlay: object, words: RegExp): Promise<void> {
  declare(node(), overlay);
  const { exitCode, stderr } = await node().podwire("apply");
  expect({ exitCode, stderr }).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(words) });
}

const addFlannel = () =>
  node().run(
    "sh",
    "-ec",
    "ip link add flannel.1 type vxlan id 1 dev eth0 dstport 8472 nolearning; ip link set flannel.1 up",
  );

/** For some seconds. */
async function addProgram(): Promise<void> {
  const script = `require("node:dgram").createSocket("udp4").bind(8472, () => setTimeout(process.exit, 15000))`;
  await node().run("sh", "-c", `'${process.execPath}' -e '${script}' > /dev/null 2>&1 & sleep 1`);
}

describe("a port that somebody else has", () => {
  test("is refused, by apply and ADD, and the overlay before it stays as it was", async () => {
    await apply(vxlan());
    await addFlannel();
    const before = await state();
    await refuse(vxlan(8472), /UDP port 8472 is in use by the vxlan link flannel\.1/);
    expect(await state()).toBe(before);
    await node().addPod("one");
    const config = { cniVersion: "1.1.0", name: "podnet", ...entryFor(node(), vxlan(8472)) };
    expectFailure(await cni(node(), { verb: "ADD", config, container: "one" }), [108], /flannel\.1/);
    expect(await state()).toBe(before);
    declare(node(), vxlan());
    expect((await node().podwire("apply")).stdout).toMatch(/nothing to change/);
  });

  test("is refused by the keeper, which keeps up the overlay before it", async () => {
    declare(node(), vxlan());
    const watching = await watch(node());
    try {
      await addFlannel();
      const before = await state();
      declare(node(), vxlan(8472));
      await eventually(() =>
        expect(watching.said()).toMatch(/flannel\.1.*the last good configuration is kept/),
      );
      await node().run("sh", "-c", "ip route flush proto 120; nft flush ruleset");
      await eventually(async () => expect(await state()).toBe(before));
      declare(node(), vxlan());
      await eventually(() => expect(watching.said()).toMatch(/all is as declared/));
      expect(await state()).toBe(before);
    } finally {
      await watching.stop();
    }
  });

  test.each([
    ["a link of the kernel", addFlannel],
    ["a program", addProgram],
  ])("is not filtered for a moment while the keeper tries: %s", async (_, occupy) => {
    await occupy();
    declare(node(), vxlan(8472));
    const monitor = node().attempt("timeout", ["6", "nft", "monitor"]);
    const { stdout, stderr } = await node().attempt("timeout", ["4", executable, "apply", "--watch"]);
    expect(`${stdout}${stderr}`).toMatch(/UDP port 8472 is in use by/);
    expect((await monitor).stdout).toBe("");
  });

  test("may be the overlay's own, of another type", async () => {
    await apply({ ...vxlan(), port: 6000 });
    const { exitCode, stderr } = await changed({ ...vxlan(), type: "geneve", port: 6000 });
    // This kernel may lack geneve, which is no matter of ports.
    expect(exitCode === 0 ? "" : stderr).not.toMatch(/in use/);
  });
});

async function changed(overlay: object) {
  declare(node(), overlay);
  return node().podwire("apply");
}

describe("a type that cannot be had", () => {
  test("leaves the one before, and an ADD that wants that again has it", async () => {
    const one = await addPod(node(), vxlan(), "one");
    const before = await state();
    await node().run(
      "sh",
      "-ec",
      "ip link add other type vxlan id 7 dev eth0 dstport 6081; ip link set other up",
    );
    await refuse({ ...vxlan(6081), type: "geneve" }, /UDP port 6081 is in use by the vxlan link other/);
    expect(await state()).toBe(before);
    await node().run("sh", "-c", "ip route flush proto 120");
    await addPod(node(), vxlan(), "two");
    expect(await state()).toBe(before);
    expect(one.mtu).toBe(1450);
  });

  test("for want of its module leaves the one before and its filter", async () => {
    await apply(vxlan());
    const before = await state();
    const { exitCode, stderr } = await withIp("type geneve", "Unknown device type.", {
      ...vxlan(6081),
      type: "geneve",
    });
    expect({ exitCode, stderr }).toMatchObject({
      exitCode: 1,
      stderr: expect.stringMatching(/no driver for links of type geneve/),
    });
    expect(await state()).toBe(before);
  });
});

test("a device that cannot be made after all gives way to the one before, with all that was on it", async () => {
  await apply(vxlan());
  const before = await state();
  const { exitCode, stderr } = await withIp(
    "dstport 8472",
    "RTNETLINK answers: No buffer space",
    vxlan(8472),
  );
  expect({ exitCode, stderr }).toMatchObject({
    exitCode: 1,
    stderr: expect.stringMatching(/No buffer space/),
  });
  expect(await state()).toBe(before);
});

test("a route that cannot be made leaves nothing of a first overlay", async () => {
  const before = await state();
  const { exitCode } = await withIp("route add 10.244.2.0", "RTNETLINK answers: Invalid argument", vxlan());
  expect(exitCode).toBe(1);
  // The host's settings are set and left.
  const withoutSettings = (text: string) => text.replaceAll(/^.*forward(ing)?:.$/gm, "");
  expect(withoutSettings(await state())).toBe(withoutSettings(before));
});

test("a change that would take a pod's interface away is refused by its name, until the pod is gone", async () => {
  await addPod(node(), vxlan(), "one");
  const [file = ""] = (await node().run("sh", "-c", "echo /var/lib/podwire/podnet/*.json")).split("\n");
  const record = JSON.parse(fs.readFileSync(node().file(file), "utf8"));
  // Not every kernel has ipvlan.
  const type = { kind: "ipvlan", master: "pw-vxlan", mode: "l3", flag: "bridge" };
  const plan = [...record.plan, { kind: "link", where: "pod", name: "eth9", type }];
  node().write(file, JSON.stringify({ ...record, plan, pod: { name: "web", namespace: "default" } }));
  const before = await state();
  await refuse(vxlan(8472), /link pw-vxlan would have to go, .*: default\/web\. Delete these pods first/);
  await refuse({ type: "none" }, /default\/web/);
  expect(await state()).toBe(before);
  await node().run("ip", "netns", "delete", "one");
  await apply(vxlan(8472));
});

/** Applies the overlay with a kernel that refuses the first line with these words. */
async function withIp(words: string, answer: string, overlay: object) {
  declare(node(), overlay);
  const script = `
    line=$(printf '%s\\n' "$input" | grep -n -m 1 -e '${words}' | cut -d: -f1)
    if [ -z "$line" ]; then real "$@"; exit; fi
    input=$(printf '%s\\n' "$input" | head -n $((line - 1)))
    real "$@"
    echo '${answer}' >&2
    echo "Command failed -:$line" >&2
    exit 1`;
  const env = { ...process.env, ...wrap(node(), "ip", script) };
  return node().attempt(executable, ["apply"], { env });
}

test("an MTU that the underlay has no room for any more is refused, and what was applied before is kept up", async () => {
  declare(node(), { type: "vxlan", mtu: 1450, peers: [n2] });
  const watching = await watch(node());
  try {
    const before = await state();
    await node().run("ip", "link", "set", "eth0", "mtu", "1400");
    await eventually(() =>
      expect(watching.said()).toMatch(/is kept as it was applied, but: .*overlay\.mtu = 1450/),
    );
    await node().run("sh", "-c", "ip route flush proto 120; ip link delete pw-vxlan");
    await eventually(async () => expect(await state()).toBe(before));
    await node().run("ip", "link", "set", "eth0", "mtu", "1500");
    await eventually(() => expect(watching.said()).toMatch(/all is as declared/));
  } finally {
    await watching.stop();
  }
});
