import { describe, expect, test } from "vitest";
import { planAfterChain, planOfAnyChain } from "../../src/attachment/chained-changes.ts";
import type { Interface, Result } from "../../src/cni/result.ts";
import { veth } from "../../src/datapath/veth.ts";
import type { Plan } from "../../src/plan/plan.ts";
import { ipv4, ipv6, wiring } from "../datapath/wiring.ts";

const { plan, interfaces, ips, routes } = veth.wire(wiring({ ips: [ipv4, ipv6] }));
const result = (changes: Partial<Interface> = {}): Result => ({
  interfaces: interfaces.map((link) => (link.sandbox === undefined ? { ...link } : { ...link, ...changes })),
  ips: [...ips],
  routes: [...routes],
  dns: {},
});
const podLink = (from: Plan) => from.find((object) => object.kind === "link" && object.where === "pod");
const neighbours = (from: Plan) => from.filter(({ kind }) => kind === "neighbour").length;
const onHost = (from: Plan) => from.filter(({ where }) => where === "host");

describe("the plan that CHECK goes by", () => {
  test("is ADD's when the chain changed nothing", () => {
    expect(planAfterChain(plan, result(), false)).toEqual(plan);
  });

  test("has the MTU that the chain reports", () => {
    expect(podLink(planAfterChain(plan, result({ mtu: 1400 }), false))).toMatchObject({ mtu: 1400 });
  });

  test("has the MAC that the chain reports, and no neighbours, which the kernel drops with it", () => {
    const changed = planAfterChain(plan, result({ mac: "0A:58:00:00:00:09" }), false);
    expect(podLink(changed)).toMatchObject({ mac: "0a:58:00:00:00:09", mtu: 1450 });
    expect([neighbours(plan), neighbours(changed)]).toEqual([2, 0]);
  });

  test("has no neighbours where somebody was asked to set the MAC that was there already", () => {
    expect(neighbours(planAfterChain(plan, result(), true))).toBe(0);
  });

  test("leaves open the MTU that an older result cannot tell, and the MAC that it does not", () => {
    const { name, sandbox = "" } = interfaces[1] ?? expect.fail("the pod's interface is the last");
    const old = { ...result(), interfaces: [{ name, sandbox }] };
    const changed = planAfterChain(plan, old, false);
    expect(podLink(changed)).toMatchObject({ mtu: undefined, mac: interfaces[1]?.mac });
    expect(neighbours(changed)).toBe(2);
  });

  test("is ADD's where the result does not have the pod's interface", () => {
    const without = {
      ...result(),
      interfaces: [{ name: "eth0" }, { name: "eth1", sandbox: "/run/netns/pod1", mtu: 1 }],
    };
    expect(planAfterChain(plan, without, false)).toEqual(plan);
  });

  test("is never another on the host", () => {
    const changed = planAfterChain(plan, result({ mac: "0a:58:00:00:00:09", mtu: 1400 }), true);
    expect(onHost(changed)).toEqual(onHost(plan));
  });
});

test("without the chain's result whatever it may have changed is left open", () => {
  const open = planOfAnyChain(plan);
  expect(podLink(open)).toMatchObject({ mac: undefined, mtu: undefined });
  expect(neighbours(open)).toBe(0);
  expect(onHost(open)).toEqual(onHost(plan));
});
