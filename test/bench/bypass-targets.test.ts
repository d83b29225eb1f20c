// The bypass's targets, held against figures that are known.
import { describe, expect, test } from "vitest";
import { kinds } from "../../bench/bypass-sections.ts";
import { targetsOf } from "../../bench/bypass-targets.ts";
import type { Report } from "../lab/measure/plan.ts";
import { reportOf } from "./report.ts";

/** Without the section and the measurement. */
function rowsOf(section: string, made: Report): (readonly string[])[] {
  const lines = targetsOf({ [section]: made })
    .split("\n")
    .slice(2);
  return lines.map((line) =>
    line
      .split("|")
      .map((cell) => cell.trim())
      .slice(3, -1),
  );
}

describe("with 5000 Services", () => {
  const nothing = { "no rules, no conntrack": [100] };
  test.each([
    [98, "yes, the better"],
    [95, "yes"],
    [94.9, "NO"],
  ])("a rate of %d of 100 while bypassed", (rate, met) => {
    const made = reportOf("udp_bw", "kB/s sent", { ...nothing, "rules, bypass": [rate] });
    expect(rowsOf("veth/iptables-legacy-5000", made)).toEqual([
      ["rules, bypass", "no rules, no conntrack", (rate / 100).toFixed(3), "at least 0.95, better 0.98", met],
    ]);
  });

  test.each([
    [99.5, "yes"],
    [99.4, "NO"],
  ])("a rate of %d of 100 while it is off", (rate, met) => {
    const made = reportOf("udp_bw", "kB/s sent", { rules: [100], "rules, off": [rate] });
    expect(rowsOf("vxlan/nft-5000", made)).toEqual([
      ["rules, off", "rules", (rate / 100).toFixed(3), "at least 0.995", met],
    ]);
  });

  test("CPU is not what they are about, nor fewer Services, nor guests without pods' forwarding", () => {
    const rate = reportOf("udp_bw", "kB/s sent", { ...nothing, "rules, bypass": [95] });
    const cpu = reportOf("CPU to send 100k datagrams", "million instructions", {
      ...nothing,
      "rules, bypass": [95],
    });
    expect([
      rowsOf("veth/nft-5000", cpu),
      rowsOf("veth/nft-200", rate),
      rowsOf("host/nft-5000", rate),
    ]).toEqual([[], [], []]);
  });
});

describe("beside a flowtable", () => {
  test.each([
    ["CPU to ask 1k times in one flow", "million instructions", 100, "1.000", "at least 1", "yes"],
    ["CPU to ask 1k times in one flow", "million instructions", 101, "0.990", "at least 1", "NO"],
    ["CPU to ask by 1k connections", "million instructions", 80, "1.250", "more than 1", "yes"],
    ["CPU to ask by 1k connections", "million instructions", 100, "1.000", "more than 1", "NO"],
  ])("%s, %s: %d to its 100", (name, unit, own, ratio, target, met) => {
    const made = reportOf(name, unit, { "rules, flowtable": [100], "rules, bypass": [own] });
    expect(rowsOf("veth/alternatives", made)).toEqual([
      ["rules, bypass", "rules, flowtable", ratio, target, met],
    ]);
  });
});

test("a state that was not measured has no row", () => {
  expect(targetsOf({})).toBe("");
  const made = reportOf("udp_bw", "kB/s sent", { rules: [100], "rules, bypass": [95] });
  expect(targetsOf({ "veth/nft-5000": made })).toBe("");
});

test("each state that targets name is one that is measured", () => {
  const states = (kind: string) => kinds[kind]?.states.map(({ name }) => name);
  expect(states("nft-5000")).toEqual(
    expect.arrayContaining(["no rules, no conntrack", "rules", "rules, off", "rules, bypass"]),
  );
  expect(states("alternatives")).toEqual(expect.arrayContaining(["rules, flowtable", "rules, bypass"]));
});
