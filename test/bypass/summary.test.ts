// The one line that says whether the bypass works.
import { expect, test } from "vitest";
import type { BypassCounter } from "../../src/bypass/control.ts";
import { answer, bypassedPackets } from "../../src/bypass/summary.ts";

const counter = (hook: string, reason: string, packets: number): BypassCounter => ({
  hook,
  reason,
  packets,
  bytes: 100 * packets,
});
const counters = [
  counter("prerouting", "pod", 30),
  counter("forward", "pod", 30),
  counter("prerouting", "tunnel", 5),
  counter("input", "tunnel", 5),
  counter("output", "tunnel", 7),
  counter("prerouting", "not-in-set", 1000),
];

test("each packet counts once, where it was judged", () => {
  expect(bypassedPackets(counters)).toEqual({ pods: 30, tunnels: 12 });
});

test.each([
  ["bypass", counters, "working: 42 packets skipped netfilter (30 of pods, 12 of tunnels)"],
  ["untrack", counters, "working: 42 packets skipped connection tracking (30 of pods, 12 of tunnels)"],
  ["observe", counters, "observing: 42 packets would have skipped netfilter (30 of pods, 12 of tunnels)"],
  ["bypass", [counter("output", "pod", 1)], "working: 1 packet skipped netfilter (1 of pods, 0 of tunnels)"],
  ["bypass", [counter("prerouting", "excluded", 9)], "not working so far: no packet was found"],
  ["off", counters, "not working: it is off"],
] as const)("mode %s", (mode, found, expected) => {
  expect(answer({ mode }, bypassedPackets(found))).toContain(expected);
});
