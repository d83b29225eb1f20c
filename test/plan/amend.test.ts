// From one plan of an overlay to another by the difference of the two.
import { describe, expect, test } from "vitest";
import { overlays } from "../../src/overlay/registry.ts";
import { amendment } from "../../src/plan/amend.ts";
import { n2, n3, request } from "../overlay/request.ts";

const plan = (peers: Parameters<typeof request>[1], vni = 1) =>
  overlays["vxlan"].plan(request({ type: "vxlan", vni }, peers)).plan;
const linesFrom = (before: Parameters<typeof request>[1], after: Parameters<typeof request>[1]) =>
  amendment(plan(before), plan(after))?.changes.map(({ line }) => line.replace(/ metric [0-9]+/, ""));

describe("the difference of two lists of peers", () => {
  test("is nothing for the same list in another order", () => {
    expect(linesFrom([n2, n3], [n3, n2])).toEqual([]);
  });

  test("makes what a new peer needs", () => {
    expect(linesFrom([n2], [n2, n3])).toEqual([
      "neighbour replace 10.244.3.0 lladdr 0a:70:c6:33:64:03 dev pw-vxlan nud permanent",
      "route add 10.244.3.0/24 encap ip id 1 src 192.0.2.1 dst 198.51.100.3 csum via 10.244.3.0 dev pw-vxlan proto 120 onlink",
    ]);
  });

  test("removes what an old peer needed, the route first", () => {
    expect(linesFrom([n2, n3], [n2])).toEqual([
      "route delete 10.244.3.0/24 encap ip id 1 src 192.0.2.1 dst 198.51.100.3 csum via 10.244.3.0 dev pw-vxlan proto 120 onlink",
      "neighbour delete 10.244.3.0 dev pw-vxlan",
    ]);
  });

  test("replaces the route of a peer that has moved", () => {
    expect(linesFrom([n2], [{ ...n2, address: "192.0.2.9" }])).toEqual([
      "neighbour replace 10.244.2.0 lladdr 0a:70:c0:00:02:09 dev pw-vxlan nud permanent",
      "route replace 10.244.2.0/24 encap ip id 1 src 192.0.2.1 dst 192.0.2.9 csum via 10.244.2.0 dev pw-vxlan proto 120 onlink",
    ]);
  });

  test("replaces all routes through the tunnel where this node is known by another address now", () => {
    const known = (local: string) => overlays["stt"].plan(request({ type: "stt" }, [n2, n3], { local })).plan;
    const lines = amendment(known("192.0.2.1"), known("192.0.2.9"))?.changes.map(({ line }) => line);
    expect(lines).toEqual([
      expect.stringMatching(
        /^route replace 10\.244\.2\.0\/24 encap ip id 4096 src 192\.0\.2\.9 dst 192\.0\.2\.2 /,
      ),
      expect.stringMatching(/^route replace 10\.244\.3\.0\/24 encap ip id 4096 src 192\.0\.2\.9 /),
    ]);
  });

  test("is not known where the device differs", () => {
    const other = overlays["vxlan"].plan(request({ type: "vxlan", mtu: 1400 })).plan;
    expect(amendment(plan([n2]), other)).toBeUndefined();
  });

  test("of stt is in its list of peers too, which is no reason to look at the device", () => {
    const sttPlan = (peers: Parameters<typeof request>[1], output: "full" | "none" = "none") =>
      overlays["stt"].plan(request({ type: "stt", output }, peers)).plan;
    expect(amendment(sttPlan([n2]), sttPlan([n2, n3]))?.changes.map(({ line }) => line)).toEqual([
      expect.stringMatching(
        /^route add 10\.244\.3\.0\/24 encap ip id 4096 src 192\.0\.2\.1 dst 198\.51\.100\.3 via /,
      ),
    ]);
    expect(amendment(sttPlan([n2]), sttPlan([n2], "full"))).toBeUndefined();
  });

  test("is one flow per prefix on a bridge, and none of others' flows", () => {
    const at = { database: "unix:/run/openvswitch/db.sock", bridge: "podwire0" };
    const bridge = { at, datapathType: "system", isForeign: false, localMac: "ee:70:77:00:00:01" } as const;
    const onBridge = (peers: Parameters<typeof request>[1]) =>
      overlays["geneve"].plan({ ...request({ type: "geneve" }, peers), bridge }).plan;
    const linesOf = (found: ReturnType<typeof amendment>) => found?.flows.flatMap(({ lines }) => lines);
    expect(linesOf(amendment(onBridge([n2]), onBridge([n2, n3])))).toEqual([
      expect.stringMatching(/^add cookie=0x7077000000000001,.*nw_dst=10\.244\.3\.0\/24,.*198\.51\.100\.3/),
    ]);
    expect(linesOf(amendment(onBridge([n2, n3]), onBridge([n3])))).toEqual([
      expect.stringMatching(/^delete_strict cookie=0x7077000000000001\/-1,.*nw_dst=10\.244\.2\.0\/24$/),
    ]);
    expect(amendment(plan([n2]), onBridge([n2]))).toBeUndefined();
  });
});
