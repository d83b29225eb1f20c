// Which changes of an overlay would take pods' interfaces away with its device, and that they are refused by the pods' names.
import { describe, expect, test } from "vitest";
import type { WantedOverlay } from "../../src/overlay/overlay.ts";
import { overlays } from "../../src/overlay/registry.ts";
import type { ObservedLink } from "../../src/plan/observe.ts";
import type { Plan } from "../../src/plan/plan.ts";
import { refuseLosses, standsOn } from "../../src/plan/standing.ts";
import { request } from "../overlay/request.ts";

const devices = ["pw-vxlan", "pw-geneve", "pw-stt"];
const vxlan: ObservedLink = {
  ifname: "pw-vxlan",
  ifindex: 3,
  ifalias: "podwire:overlay",
  address: "0a:70:c0:00:02:01",
  mtu: 1450,
  flags: ["UP"],
  linkinfo: {
    info_kind: "vxlan",
    info_data: { external: true, port: 4789, port_range: { low: 0, high: 0 } },
  },
  addr_info: [],
};
const ofSwitch: ObservedLink = { ...vxlan, ifalias: undefined, linkinfo: { info_kind: "openvswitch" } };
const stt: ObservedLink = { ...vxlan, ifname: "pw-stt", linkinfo: { info_kind: "stt" } };

const at = { database: "unix:/run/openvswitch/db.sock", bridge: "podwire0" };
const planOf = (config: WantedOverlay, isOnBridge = false): Plan => {
  const bridge = { at, datapathType: "system", isForeign: false, localMac: "ee:70:77:00:00:01" } as const;
  return overlays[config.type].plan({ ...request(config), ...(isOnBridge ? { bridge } : {}) }).plan;
};

function outcome(plan: Plan, found: ObservedLink, pods: readonly string[] = ["default/web"]): string {
  const host = {
    link: (_: unknown, name: string) => (name === found.ifname ? found : undefined),
    stts: new Map([["pw-stt", { port: 7471, output: "notrack", peers: 0 } as const]]),
  };
  try {
    refuseLosses(plan, host, { devices, podsOn: (device) => (device === found.ifname ? pods : []) });
    return "allowed";
  } catch (error) {
    return (error as { details: string }).details;
  }
}

describe("with a pod on the overlay's device", () => {
  test.each<[string, Plan, ObservedLink]>([
    ["another UDP port", planOf({ type: "vxlan", port: 8472 }), vxlan],
    ["other source ports", planOf({ type: "vxlan", sourcePorts: "40000-50000" }), vxlan],
    ["another type", planOf({ type: "geneve" }), vxlan],
    ["a type without a device", planOf({ type: "host-gw" }), vxlan],
    ["no overlay", [], vxlan],
    ["a move to Open vSwitch", planOf({ type: "vxlan" }, true), vxlan],
    ["a move away from it", planOf({ type: "vxlan" }), ofSwitch],
    ["another port of stt", planOf({ type: "stt", port: 7000 }), stt],
  ])("%s is refused by its name", (_, plan, found) => {
    expect(outcome(plan, found)).toMatch(
      /link pw-[a-z]+ would have to go, .*: default\/web\. Delete these pods first/,
    );
  });

  test.each<[string, Plan, ObservedLink]>([
    ["another VNI", planOf({ type: "vxlan", vni: 7 }), vxlan],
    ["another MTU", planOf({ type: "vxlan", mtu: 1400 }), vxlan],
    ["the same on a bridge", planOf({ type: "vxlan" }, true), ofSwitch],
    ["the same of stt", planOf({ type: "stt" }), stt],
    [
      "the repair of what somebody put in its place",
      planOf({ type: "vxlan" }),
      { ...vxlan, ifalias: undefined, linkinfo: { info_kind: "dummy" } },
    ],
  ])("%s is allowed", (_, plan, found) => {
    expect(outcome(plan, found)).toBe("allowed");
  });
});

test("without pods on it the device goes", () => {
  expect(outcome([], vxlan, [])).toBe("allowed");
});

test("of many pods some are named", () => {
  const pods = Array.from({ length: 12 }, (_, index) => `default/web-${index}`);
  expect(outcome([], vxlan, pods)).toMatch(/default\/web-4 and 7 more\./);
});

test("a pod's ipvlan interface stands on its master, a veth on nothing", () => {
  const ipvlan = { kind: "ipvlan", master: "pw-vxlan", mode: "l3", flag: "bridge" } as const;
  const link = { kind: "link", where: "pod", name: "eth0" } as const;
  const peer = { name: "pw1", mac: "02:00:00:00:00:01", mtu: 1450, where: "host" } as const;
  expect(standsOn("pw-vxlan", [{ ...link, type: ipvlan }])).toBe(true);
  expect(standsOn("pw-geneve", [{ ...link, type: ipvlan }])).toBe(false);
  expect(standsOn("pw-vxlan", [{ ...link, type: { kind: "veth", peer, makesPair: true } }])).toBe(false);
});
