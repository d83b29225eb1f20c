// Somebody else's route to a peer's prefix is an error that names it, is never touched, and keeps nothing else from being applied and
// repaired.
import { beforeEach, describe, expect, test } from "vitest";
import { cni } from "../fixture/calls.ts";
import { expectFailure } from "../fixture/failure.ts";
import { addPod, declare, entryFor } from "./cluster.ts";
import { loneNode } from "./lone-node.ts";
import { eventually, watch } from "./watching.ts";

const node = loneNode();

const peer = (number: number) => ({
  node: `n${number}`,
  address: `192.0.2.${number}`,
  podCIDRs: [`10.244.${number}.0/24`],
});
const overlay = { type: "vxlan", peers: [peer(2), peer(3)] };

const show = (...words: string[]) => node().run("ip", "route", "show", ...words);
const foreign = "10.244.3.0/24 via 192.0.2.77 dev eth0";
const named =
  /route 10\.244\.3\.0\/24 .*not podwire's is in the way: 10\.244\.3\.0\/24 via 192\.0\.2\.77 dev eth0 proto/;

describe.each([
  [foreign, named],
  ["blackhole 10.244.3.0/24 proto bird", /in the way: blackhole 10\.244\.3\.0\/24 proto 12; remove it/],
])("with %s", (route, words) => {
  beforeEach(async () => {
    await node().run("sh", "-ec", `ip route add ${route}`);
  });

  test("apply names it, and does all the rest", async () => {
    declare(node(), overlay);
    for (let time = 0; time < 2; time++) {
      const { exitCode, stderr } = await node().podwire("apply");
      expect({ exitCode, stderr }).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(words) });
    }
    expect(await show("type", "unicast", "proto", "120")).toMatch(/^10\.244\.2\.0\/24 [^\n]*$/);
    expect(await show()).toContain(route);
    expect(await node().run("nft", "list", "ruleset")).toMatch(/udp dport 4789/);
    expect(JSON.parse((await node().podwire("apply", "--json")).stdout)).toMatchObject({
      obstacles: [expect.stringMatching(words)],
    });
  });
});

describe.each([
  [
    "10.244.3.128/25 via 192.0.2.77 dev eth0 proto bird",
    /10\.244\.3\.128\/25 via 192\.0\.2\.77 dev eth0 proto 12; remove/,
  ],
  ["blackhole 10.244.3.7", /blackhole 10\.244\.3\.7 proto 3; remove/],
])("a route to a part of a peer's prefix: %s", (route, words) => {
  const stray = new RegExp(`peer n3: packets to a part of 10\\.244\\.3\\.0/24 go astray .*: ${words.source}`);

  test("is said by apply and doctor, which have all as declared", async () => {
    await node().run("sh", "-ec", `ip route add ${route}`);
    declare(node(), overlay);
    const { exitCode, stderr } = await node().podwire("apply");
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0, stderr: expect.stringMatching(stray) });
    expect(await show("type", "unicast", "proto", "120")).toMatch(/10\.244\.3\.0\/24/);
    const findings = JSON.parse((await node().podwire("doctor", "--json")).stdout) as { check: string }[];
    expect(findings.filter(({ check }) => check.startsWith("overlay"))).toMatchObject([
      { check: "overlay", level: "ok" },
      { check: "overlay peer", level: "warning", found: expect.stringMatching(stray) },
    ]);
  });

  test("is said by the keeper at once, and once", async () => {
    declare(node(), overlay);
    const watching = await watch(node());
    try {
      await node().run("sh", "-ec", `ip route add ${route}`);
      await eventually(() => expect(watching.said()).toMatch(stray));
      await node().run("ip", "route", "flush", "proto", "120");
      await eventually(async () =>
        expect(await show("type", "unicast", "proto", "120")).toMatch(/10\.244\.3\.0\/24/),
      );
      expect(watching.said().match(/go astray/g)).toHaveLength(1);
    } finally {
      await watching.stop();
    }
  });
});

test("the keeper sees a route that names no link of the overlay", async () => {
  declare(node(), overlay);
  const watching = await watch(node());
  try {
    await node().run("ip", "route", "add", "blackhole", "10.244.3.0/24", "metric", "9000");
    await eventually(() => expect(watching.said()).toMatch(/in the way: blackhole 10\.244\.3\.0\/24/));
  } finally {
    await watching.stop();
  }
});

test("an ADD that is the first to want the overlay names it; with an overlay from before, pods start", async () => {
  await node().run("sh", "-ec", `ip route add ${foreign}`);
  await node().addPod("early");
  const config = { cniVersion: "1.1.0", name: "podnet", ...entryFor(node(), overlay) };
  for (let time = 0; time < 2; time++) {
    expectFailure(await cni(node(), { verb: "ADD", config, container: "early" }), [108], named);
    expect(await show("type", "unicast", "proto", "120")).toMatch(/10\.244\.2\.0/);
  }
  declare(node(), overlay);
  expect((await node().podwire("apply")).exitCode).toBe(1);
  await node().run("sh", "-ec", "ip route flush proto 120; nft flush ruleset");
  await addPod(node(), overlay, "late");
  expect(await show("type", "unicast", "proto", "120")).toMatch(/10\.244\.2\.0/);
  expect(await node().run("nft", "list", "ruleset")).toMatch(/udp dport 4789/);
  expect(await show()).toContain(foreign);
  await node().run("sh", "-ec", `ip route delete ${foreign}`);
  await addPod(node(), overlay, "later");
  expect(await show("type", "unicast", "proto", "120")).toMatch(/10\.244\.3\.0/);
});

test("the keeper names it once, repairs all the rest, and makes the route when the other one is gone", async () => {
  declare(node(), overlay);
  const watching = await watch(node());
  try {
    const before = await node().run("sh", "-c", "ip -br link show dev pw-vxlan");
    await node().run("sh", "-ec", `ip route add ${foreign} metric 9000`);
    await eventually(() => expect(watching.said()).toMatch(named));
    await node().run(
      "sh",
      "-ec",
      "ip route flush proto 120; nft flush ruleset; ip link set pw-vxlan address 02:00:00:00:00:01",
    );
    await eventually(async () => {
      expect(await show("type", "unicast", "proto", "120")).toMatch(/10\.244\.2\.0/);
      expect(await node().run("nft", "list", "ruleset")).toMatch(/udp dport 4789/);
      expect(await node().run("sh", "-c", "ip -br link show dev pw-vxlan")).toBe(before);
    });
    expect(await show()).toContain(`${foreign} metric 9000`);
    await node().run("sh", "-ec", `ip route delete ${foreign} metric 9000`);
    await eventually(async () =>
      expect(await show("type", "unicast", "proto", "120")).toMatch(/10\.244\.3\.0/),
    );
    await eventually(() => expect(watching.said()).toMatch(/all is as declared/));
    expect(watching.said().match(/in the way:/g), watching.said()).toHaveLength(1);
  } finally {
    await watching.stop();
  }
});

describe("a next hop of somebody else's beside podwire's, which IPv6 makes one route of", () => {
  const both = (number: number) => ({
    ...peer(number),
    podCIDRs: [`10.244.${number}.0/24`, `fd00:10:244:${number}::/64`],
  });
  const hop = "fd00:10:244:3::/64 via 2001:db8::77 dev eth0";
  const inTheWay = /in the way: fd00:10:244:3::\/64 nexthop via 2001:db8::77 dev eth0; remove it/;
  const show6 = (...words: string[]) => node().run("ip", "-6", "route", "show", ...words);

  beforeEach(async () => {
    declare(node(), { type: "vxlan", peers: [both(2), both(3)] });
    expect((await node().podwire("apply")).exitCode).toBe(0);
    await node().run("sh", "-ec", `ip -6 route append ${hop} proto static`);
  });

  test("is named, and keeps nothing else from being applied", async () => {
    declare(node(), { type: "vxlan", peers: [both(2), both(3), both(4)] });
    await node().run("ip", "route", "flush", "proto", "120");
    const { exitCode, stderr } = await node().podwire("apply");
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(inTheWay) });
    expect(await show("type", "unicast", "proto", "120")).toMatch(
      /10\.244\.2\.0[\s\S]*10\.244\.3\.0[\s\S]*10\.244\.4\.0/,
    );
    expect(await show6()).toMatch(/fd00:10:244:4::/);
    await node().run("sh", "-ec", `ip -6 route delete ${hop}`);
    expect((await node().podwire("apply")).exitCode).toBe(0);
  });

  test("stays when the peer goes, and when the overlay does", async () => {
    declare(node(), { type: "vxlan", peers: [both(2)] });
    expect(await node().podwire("apply")).toMatchObject({ exitCode: 0 });
    expect(await show6("fd00:10:244:3::/64")).toMatch(
      /^fd00:10:244:3::\/64 via 2001:db8::77 dev eth0 proto static/,
    );
    await node().run(
      "sh",
      "-ec",
      "ip -6 route append fd00:10:244:2::/64 via 2001:db8::77 dev eth0 proto static",
    );
    declare(node(), { type: "none" });
    expect(await node().podwire("apply")).toMatchObject({ exitCode: 0 });
    expect(await show6("proto", "120")).toBe("");
    expect(await show6("proto", "static")).toMatch(/fd00:10:244:2::[\s\S]*fd00:10:244:3::/);
  });
});

test.each([
  "blackhole 10.244.77.0/24 proto 120",
  "prohibit fd00:77::/64 proto 120",
  "10.244.77.0/24 proto 120 nexthop via 192.0.2.77 dev eth0 nexthop via 192.0.2.78 dev eth0",
])("a route of podwire's number that no peer has goes: %s", async (route) => {
  declare(node(), overlay);
  await node().run("sh", "-ec", `ip route add ${route}`);
  expect(await node().podwire("apply")).toMatchObject({ exitCode: 0 });
  expect(await node().run("sh", "-c", "ip route show proto 120; ip -6 route show proto 120")).not.toMatch(
    /77/,
  );
});

test("a route of podwire's number before a peer's own goes", async () => {
  declare(node(), overlay);
  expect(await node().podwire("apply")).toMatchObject({ exitCode: 0 });
  const before = await show("proto", "120");
  const metric = /10\.244\.3\.0\/24 .*metric ([0-9]+)/.exec(before)?.[1] ?? "0";
  await node().run(
    "sh",
    "-ec",
    `ip route prepend 10.244.3.0/24 via 192.0.2.77 dev eth0 proto 120 metric ${metric}`,
  );
  expect(await show("proto", "120")).not.toBe(before);
  expect(await node().podwire("apply")).toMatchObject({ exitCode: 0 });
  expect(await show("proto", "120")).toBe(before);
});

test("a route of podwire's number beside a peer's own, by the same link, goes alone", async () => {
  declare(node(), { ...overlay, type: "host-gw" });
  expect(await node().podwire("apply")).toMatchObject({ exitCode: 0 });
  const before = await show("proto", "120");
  const metric = /10\.244\.3\.0\/24 via .*metric ([0-9]+)/.exec(before)?.[1] ?? "0";
  const other = `10.244.3.0/24 via 192.0.2.77 dev eth0 proto 120 metric ${metric}`;
  await node().run("sh", "-ec", `ip route append ${other}`);
  const { exitCode, stdout } = await node().podwire("apply");
  expect(exitCode).toBe(0);
  expect(stdout).not.toMatch(/changed|made route/);
  expect(await show("proto", "120")).toBe(before);
});
