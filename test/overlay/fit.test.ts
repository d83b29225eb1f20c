// What of overlays cannot work with a datapath is refused by the configuration alone, with the reason.
import { describe, expect, test } from "vitest";
import { parseNetwork } from "../../src/config/load.ts";
import { requireSupported } from "../../src/datapath/choice.ts";
import { requireMaster, tunnelOnBridge } from "../../src/overlay/fit.ts";

function network(overlay: object, ipvlan: object, changes: object = {}) {
  return parseNetwork({
    name: "podnet",
    type: "podwire",
    datapath: "ipvlan",
    ipvlan,
    overlay: { peers: [], ...overlay },
    ipam: { type: "host-local" },
    ...changes,
  });
}

const refusal = (words: RegExp) =>
  expect.objectContaining({ code: 7, details: expect.stringMatching(words) });
const vxlan = { type: "vxlan" };
const hostGw = { type: "host-gw", underlay: "eth0" };

describe("ipvlan is refused", () => {
  test.each<[string, object, object, object, RegExp]>([
    [
      "l2 with a flag that keeps pods from the host",
      vxlan,
      { mode: "l2", flag: "private" },
      {},
      /ipvlan\.flag = "private" keeps l2 pods apart from the host/,
    ],
    [
      "a master that is not the overlay's device",
      vxlan,
      { mode: "l3", master: "eth0" },
      {},
      /ipvlan\.master = "eth0" with overlay vxlan: .*routes of pw-vxlan would never be used/,
    ],
    ["ipMasq on the overlay's device", vxlan, {}, { ipMasq: true }, /ipMasq .* nothing to masquerade/],
    [
      "direct routes past the overlay's device",
      { type: "geneve", directRouting: true },
      { mode: "l3" },
      {},
      /overlay\.directRouting with ipvlan\.mode l3: .*pw-geneve .*remove directRouting/,
    ],
    [
      "a master that is not the link to the peers",
      hostGw,
      { master: "eth1" },
      {},
      /ipvlan\.master = "eth1" with overlay host-gw: .*by the underlay eth0; leave ipvlan\.master out/,
    ],
  ])("with %s", (_, overlay, ipvlan, changes, words) => {
    expect(() => requireSupported(network(overlay, ipvlan, changes))).toThrow(refusal(words));
  });
});

describe("ipvlan may have", () => {
  test.each<[string, object, object, object]>([
    ["the overlay's device as master", vxlan, { master: "pw-vxlan" }, {}],
    ["the underlay as master", hostGw, { master: "eth0" }, {}],
    ["any master in l2, by way of the host", hostGw, { mode: "l2", master: "eth1" }, {}],
    ["direct routes in l2", { ...vxlan, directRouting: true }, { mode: "l2" }, {}],
    ["a master where no overlay is", { type: "none", underlay: "eth0" }, { master: "eth1" }, {}],
  ])("%s", (_, overlay, ipvlan, changes) => {
    expect(() => requireSupported(network(overlay, ipvlan, changes))).not.toThrow();
  });
});

test("a master is compared with the underlay that was found, too", () => {
  const config = network({ type: "host-gw" }, { master: "eth1" });
  expect(() => requireMaster(config, "eth0")).toThrow(refusal(/by the underlay eth0/));
  expect(() => requireMaster(config, "eth1")).not.toThrow();
});

test("what comes by a tunnel passes the host's connection tracking, unless the tunnel is a port of the pods' bridge", () => {
  const tunnelOf = (type: string) => {
    const underlay = type === "none" ? {} : { underlay: "eth0" };
    return tunnelOnBridge(network({ type, ...underlay }, {}, { datapath: "ovs", ipvlan: undefined }));
  };
  expect(["none", "host-gw", "stt"].map(tunnelOf)).toEqual([undefined, undefined, undefined]);
  expect(["vxlan", "geneve"].map(tunnelOf)).toEqual(["pw-vxlan", "pw-geneve"]);
});
