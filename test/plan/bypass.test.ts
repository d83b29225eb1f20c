// The module's configuration: what counts as a difference.
import { expect, test } from "vitest";
import type { BypassConfiguration, BypassState } from "../../src/bypass/control.ts";
import { bypassFault } from "../../src/plan/bypass.ts";

const wanted: BypassConfiguration = {
  mode: "bypass",
  lease: 0,
  pods: ["10.244.0.0/16", "10.244.1.0/24"],
  excluded: [],
  node: ["192.0.2.1/32"],
  peers: ["192.0.2.2/32", "192.0.2.3/32"],
  tunnels: ["udp 8472"],
};
const found: BypassState = {
  ...wanted,
  generation: 7,
  left: 0,
  // As the module lists them: joined.
  pods: ["10.244.0.0/16"],
  peers: ["192.0.2.2/31"],
};

test("prefixes that the module joined are the same", () => {
  expect(bypassFault(wanted, found)).toBe(undefined);
});

test.each<[string, Partial<BypassState>, string]>([
  ["another mode", { mode: "off" }, "mode bypass"],
  ["another lease", { lease: 60 }, "lease 0"],
  ["a missing prefix", { pods: ["10.244.1.0/24"] }, "pods 10.244.0.0/16, 10.244.1.0/24"],
  ["a prefix too many", { excluded: ["10.244.1.7/32"] }, "excluded none"],
  ["another port", { tunnels: ["udp 4789"] }, "tunnels udp 8472"],
])("%s is a difference", (_name, differing, expected) => {
  expect(bypassFault(wanted, { ...found, ...differing })?.expected).toBe(expected);
});

test("so is that there is no module", () => {
  expect(bypassFault(wanted, undefined)?.found).toBe("it is not loaded");
});
