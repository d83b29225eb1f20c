// From configurations and the overlay's plan to what the module is set to.
import fs from "node:fs";
import { describe, expect, test } from "vitest";
import { parseIp } from "../../src/address/ip.ts";
import { withDefaults } from "../../src/config/load.ts";
import { type NetworkConfig, networkSchema, nodeSchema } from "../../src/config/network.ts";
import {
  bypassPlan,
  judgedBypass,
  noOverlay,
  overlayPart,
  plannedObstacles,
} from "../../src/node/bypass-plan.ts";
import { type BypassWish, wishOf } from "../../src/node/bypass-wish.ts";
import { overlays } from "../../src/overlay/registry.ts";

const network = (more: object, ranges: object[] = [{ subnet: "10.244.1.0/24" }]): NetworkConfig =>
  networkSchema.parse({
    cniVersion: "1.1.0",
    name: "podnet",
    type: "podwire",
    bypass: { mode: "auto" },
    ipam: { type: "host-local", ranges: ranges.map((range) => [range]) },
    ...more,
  });

function wish(more: object, ranges?: object[]): BypassWish {
  const found = wishOf(network(more, ranges));
  if (found === undefined) throw new Error("no wish");
  return found;
}

function ip(text: string) {
  const found = parseIp(text);
  if (found === undefined) throw new Error(text);
  return found;
}

const bridge = {
  at: { database: "unix:/run/openvswitch/db.sock", bridge: "podwire0" },
  datapathType: "system",
  isForeign: false,
  localMac: "02:00:00:00:00:01",
} as const;

function overlayPlan(type: "host-gw" | "vxlan" | "geneve", directRouting = false, isOnBridge = false) {
  const peer = (last: number, onLink: boolean) => {
    const text = `10.244.${last}.0/24`;
    const prefix = { ip: ip(`10.244.${last}.0`), length: 24 };
    const address = ip(`192.0.2.${last}`);
    return {
      node: `n${last}`,
      address,
      addressText: `192.0.2.${last}`,
      prefixes: [{ text, prefix }],
      onLink,
    };
  };
  return overlays[type].plan({
    config: type === "host-gw" ? { type } : { type, port: 8472, directRouting },
    underlay: { link: "eth0", mtu: 1500, local: ip("192.0.2.1") },
    own: [{ ip: ip("10.244.1.0"), length: 24 }],
    peers: [peer(2, true), peer(3, type === "host-gw")],
    host: { ipv6: true, advertisedLinks: [] },
    ...(isOnBridge ? { bridge } : {}),
  }).plan;
}

describe("a network's wish", () => {
  test.each([undefined, {}, { mode: "off" }, { exclude: ["10.244.1.7/32"] }])(
    "is none with bypass %j",
    (bypass) => {
      expect(wishOf(network({ bypass }))).toBe(undefined);
    },
  );

  test("has its subnets", () => {
    expect(wish({}, [{ subnet: "10.244.1.0/24" }, { subnet: "fd00:10:244:1::/64" }])).toMatchObject({
      mode: "auto",
      own: ["10.244.1.0/24", "fd00:10:244:1::/64"],
      lease: 0,
      isMasqueraded: false,
    });
  });

  test("has only the pods' part of a subnet that others are in too", () => {
    const range = { subnet: "192.168.1.0/24", rangeStart: "192.168.1.100", rangeEnd: "192.168.1.131" };
    expect(wish({}, [range]).own).toEqual([
      "192.168.1.100/30",
      "192.168.1.104/29",
      "192.168.1.112/28",
      "192.168.1.128/30",
    ]);
    expect(wish({}, [range]).subnets).toEqual(["192.168.1.0/24"]);
  });

  test("is not of the ranges of a single pod", () => {
    const runtimeConfig = { ipRanges: [[{ subnet: "10.99.0.0/24" }]] };
    expect(wish({ runtimeConfig }).own).toEqual(["10.244.1.0/24"]);
  });

  test("keeps what the node excludes, whatever the conflist says", () => {
    const merged = withDefaults(network({ bypass: { mode: "on", exclude: ["10.244.1.8/32"] } }), {
      bypass: { exclude: ["10.244.1.7/32"], lease: 60 },
    });
    expect(wishOf(merged)).toMatchObject({
      mode: "on",
      excluded: ["10.244.1.7/32", "10.244.1.8/32"],
      lease: 0,
    });
  });
});

test("conf/node-bypass.json wishes it for every network that says nothing else", () => {
  const text = fs.readFileSync(new URL("../../conf/node-bypass.json", import.meta.url), "utf8");
  const defaults = nodeSchema.parse(JSON.parse(text));
  const { bypass: _, ...silent } = network({});
  expect(wishOf(withDefaults(silent, defaults))).toMatchObject({ mode: "auto", excluded: ["10.244.1.7/32"] });
  expect(wishOf(withDefaults(network({ bypass: { mode: "off" } }), defaults))).toBe(undefined);
});

describe("the overlay's part", () => {
  const pods = ["10.244.2.0/24", "10.244.3.0/24"];
  test.each([
    ["host-gw", false, { ...noOverlay, pods }],
    [
      "vxlan",
      false,
      { pods, node: ["192.0.2.1/32"], peers: ["192.0.2.2/32", "192.0.2.3/32"], tunnels: ["udp 8472"] },
    ],
    ["vxlan", true, { pods, node: ["192.0.2.1/32"], peers: ["192.0.2.3/32"], tunnels: ["udp 8472"] }],
  ] as const)("of %s, direct routing %j", (type, direct, expected) => {
    expect(overlayPart(overlayPlan(type, direct), ip("192.0.2.1"))).toEqual(expected);
  });

  test.each([
    ["vxlan", false],
    ["vxlan", true],
    ["geneve", false],
    ["geneve", true],
  ] as const)("of %s is the same with Open vSwitch, direct routing %j", (type, direct) => {
    expect(overlayPart(overlayPlan(type, direct, true), ip("192.0.2.1"))).toEqual(
      overlayPart(overlayPlan(type, direct), ip("192.0.2.1")),
    );
  });
});

describe("the plan", () => {
  const part = overlayPart(overlayPlan("vxlan"), ip("192.0.2.1"));

  test("is of all networks and of the overlay, with the shortest lease", () => {
    const wishes = [
      wish({ bypass: { mode: "auto", lease: 60, exclude: ["10.244.1.9/32"] } }),
      wish({ name: "other", bypass: { mode: "on", lease: 30, pods: ["10.99.0.0/16"] } }, [
        { subnet: "10.245.0.0/24" },
      ]),
    ];
    expect(bypassPlan(wishes, part, ["10.244.1.7/32"])).toEqual({
      mode: "bypass",
      lease: 30,
      pods: ["10.244.1.0/24", "10.245.0.0/24", "10.99.0.0/16", "10.244.2.0/24", "10.244.3.0/24"],
      excluded: ["10.244.1.9/32", "10.244.1.7/32"],
      node: ["192.0.2.1/32"],
      peers: ["192.0.2.2/32", "192.0.2.3/32"],
      tunnels: ["udp 8472"],
    });
  });

  const obstacles = (wishes: BypassWish[], overlay = part) =>
    plannedObstacles(wishes, bypassPlan(wishes, overlay, []), overlay);

  test("has no obstacle in a masquerading network whose pods are reached without", () => {
    expect(obstacles([wish({ ipMasq: true })])).toEqual([]);
  });

  test("has one in a masquerading network beside another", () => {
    const beside = wish({ name: "other" }, [{ subnet: "10.245.0.0/24" }]);
    expect(obstacles([wish({ ipMasq: true }), beside])).toEqual([
      "network podnet masquerades what its pods send to 10.245.0.0/24 (ipMasq)",
    ]);
  });

  test("has one where nobody knows the pods' prefixes", () => {
    const foreign = wishOf({ ...network({}), ipam: { type: "calico-ipam" } });
    if (foreign === undefined) throw new Error("no wish");
    expect(obstacles([foreign], noOverlay)).toEqual([expect.stringContaining("set bypass.pods")]);
  });
});

describe("what is found on the node", () => {
  const overlay = { ...noOverlay, node: ["192.0.2.1/32"], peers: ["192.0.2.2/32"], tunnels: ["udp 4789"] };
  const wished = bypassPlan([wish({ bypass: { mode: "auto", lease: 60 } })], overlay, []);

  test("against pods switches all off", () => {
    const { wanted, obstacles } = judgedBypass(wished, ["a rule"], ["another"]);
    expect(wanted).toMatchObject({ mode: "off", lease: 0 });
    expect(obstacles).toEqual(["a rule"]);
  });

  test("against tunnels leaves pods bypassed", () => {
    const { wanted, obstacles, tunnelObstacles } = judgedBypass(wished, [], ["a rule"]);
    expect(wanted).toEqual({ ...wished, node: [], peers: [], tunnels: [] });
    expect([obstacles, tunnelObstacles]).toEqual([[], ["a rule"]]);
  });

  test("against tunnels switches off where there is nothing else", () => {
    const { wanted, obstacles } = judgedBypass({ ...wished, pods: [] }, [], ["a rule"]);
    expect(wanted).toMatchObject({ mode: "off", lease: 0 });
    expect(obstacles).toEqual(["a rule"]);
  });

  test("is nothing: all is as it is wished", () => {
    expect(judgedBypass(wished, [], []).wanted).toBe(wished);
  });
});
