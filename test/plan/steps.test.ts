import { describe, expect, test } from "vitest";
import { veth } from "../../src/datapath/veth.ts";
import type { PodObject, PodPlan, Where } from "../../src/plan/plan.ts";
import { stepsOf } from "../../src/plan/steps.ts";
import { ipv4, ipv6, wiring } from "../datapath/wiring.ts";

const address = (where: Where, link: string): PodObject => ({
  kind: "address",
  where,
  link,
  address: "10.0.0.1/32",
});
const setting = (where: Where, key: string): PodObject => ({ kind: "sysctl", where, key, value: "1" });
const shape = (plan: PodPlan) =>
  stepsOf(plan).map(({ tool, where, objects }) => `${tool} ${where} ${objects.length}`);

describe("a plan's steps", () => {
  test("are none for nothing", () => {
    expect(stepsOf([])).toEqual([]);
  });

  test("join neighbours of one tool and one netns", () => {
    const plan = [address("host", "a"), address("host", "b"), setting("host", "x"), setting("host", "y")];
    expect(stepsOf(plan)).toEqual([
      { tool: "ip", where: "host", objects: plan.slice(0, 2) },
      { tool: "sysctl", where: "host", objects: plan.slice(2) },
    ]);
  });

  test("never change the order, not even to save a program", () => {
    const plan = [
      address("host", "a"),
      address("pod", "b"),
      address("host", "c"),
      setting("pod", "x"),
      address("pod", "d"),
    ];
    expect(stepsOf(plan).flatMap(({ objects }) => objects as PodPlan)).toEqual(plan);
    expect(shape(plan)).toEqual(["ip host 1", "ip pod 1", "ip host 1", "sysctl pod 1", "ip pod 1"]);
  });

  test("are few: one ip batch per netns for a dual-stack pod", () => {
    const routes = [{ dst: "0.0.0.0/0" }, { dst: "::/0" }];
    const { plan } = veth.wire(wiring({ ips: [ipv4, ipv6], routes, ipMasq: true }));
    expect(shape(plan)).toEqual([
      "ip host 5",
      "sysctl host 2",
      "sysctl pod 4",
      "ip pod 8",
      "nft host 1",
      "sysctl host 3",
    ]);
  });
});
