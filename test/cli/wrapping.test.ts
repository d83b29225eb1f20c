// What `podwire doctor --probe` knows of the way to a peer, by plans of the kernel's device and of a bridge's tunnel port.
import { describe, expect, test } from "vitest";
import { driverOf, remotes, tunnelOf, wrappingLink } from "../../src/cli/doctor/wrapping.ts";
import type { WantedOverlay } from "../../src/overlay/overlay.ts";
import { overlays } from "../../src/overlay/registry.ts";
import type { Plan } from "../../src/plan/plan.ts";
import { n2, n3, request } from "../overlay/request.ts";

const at = { database: "unix:/run/openvswitch/db.sock", bridge: "podwire0" };
const bridge = { at, datapathType: "system", isForeign: false, localMac: "ee:70:77:00:00:01" } as const;

const peers = [{ ...n2, podCIDRs: ["10.244.2.0/24", "10.244.9.7/32", "fd00:2::/64"] }, n3];

function planOf(config: WantedOverlay, isOnBridge: boolean): Plan {
  const given = request(config, peers);
  return overlays[config.type].plan(isOnBridge ? { ...given, bridge } : given).plan;
}

const remotesIn = (plan: Plan) =>
  plan.flatMap((object) =>
    object.kind === "route" && !object.isDeadEnd ? [[object.dst, remotes(plan)(object)]] : [],
  );

describe.each([
  ["the kernel's device", false],
  ["a port of Open vSwitch", true],
])("with %s", (_, isOnBridge) => {
  test.each([
    ["vxlan", 4789, "vxlan_sys_4789"],
    ["geneve", 6081, "genev_sys_6081"],
  ] as const)("%s has its port, and wraps packets to the peer", (type, port, switchLink) => {
    const plan = planOf({ type }, isOnBridge);
    const tunnel = tunnelOf(plan);
    expect(tunnel?.port).toBe(port);
    expect(tunnel && driverOf(tunnel)).toBe(type);
    expect(wrappingLink(plan, `pw-${type}`)).toBe(isOnBridge ? switchLink : `pw-${type}`);
    expect(remotesIn(plan)).toEqual([
      ["10.244.2.0/24", "192.0.2.2"],
      ["10.244.9.7/32", "192.0.2.2"],
      ["fd00:2::/64", "192.0.2.2"],
      ["10.244.3.0/24", "198.51.100.3"],
    ]);
  });

  test("directRouting wraps only what needs it", () => {
    const plan = planOf({ type: "vxlan", directRouting: true }, isOnBridge);
    expect(remotesIn(plan).map(([, remote]) => remote)).toEqual([
      undefined,
      undefined,
      "192.0.2.2",
      "198.51.100.3",
    ]);
  });
});

test("host-gw has no tunnel", () => {
  const plan = overlays["host-gw"].plan(request({ type: "host-gw" })).plan;
  expect(tunnelOf(plan)).toBeUndefined();
  expect(remotesIn(plan)).toEqual([["10.244.2.0/24", undefined]]);
});
