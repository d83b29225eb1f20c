import { describe, expect, test } from "vitest";
import { planAfterChain, planOfAnyChain } from "../../src/attachment/chained-changes.ts";
import type { Interface, Result } from "../../src/cni/result.ts";
import type { Wired } from "../../src/datapath/datapath.ts";
import { ipvlan } from "../../src/datapath/ipvlan.ts";
import { veth } from "../../src/datapath/veth.ts";
import type { Plan } from "../../src/plan/plan.ts";
import { inMode } from "../datapath/ipvlan-wiring.ts";
import { ipv4, ipv6, wiring } from "../datapath/wiring.ts";

const made = veth.wire(wiring({ ips: [ipv4, ipv6] }));
const { plan, interfaces } = made;
const resultOf = (wired: Wired, changes: Partial<Interface>): Result => ({
  interfaces: wired.interfaces.map((link) =>
    link.sandbox === undefined ? { ...link } : { ...link, ...changes },
  ),
  ips: [...wired.ips],
  routes: [...wired.routes],
  dns: {},
});
const result = (changes: Partial<Interface> = {}) => resultOf(made, changes);
const podLink = (from: Plan) => from.find((object) => object.kind === "link" && object.where === "pod");
const neighbours = (from: Plan) => from.filter(({ kind }) => kind === "neighbour").length;
const onHost = (from: Plan) => from.filter(({ where }) => where === "host");

describe("the plan that CHECK goes by", () => {
  test("is ADD's when the chain changed nothing", () => {
    expect(planAfterChain(made, result(), false)).toEqual(plan);
  });

  test("has the MTU that the chain reports", () => {
    expect(podLink(planAfterChain(made, result({ mtu: 1400 }), false))).toMatchObject({ mtu: 1400 });
  });

  test("has the MAC that the chain reports, and no neighbours, which the kernel drops with it", () => {
    const changed = planAfterChain(made, result({ mac: "0A:58:00:00:00:09" }), false);
    expect(podLink(changed)).toMatchObject({ mac: "0a:58:00:00:00:09", mtu: 1450 });
    expect([neighbours(plan), neighbours(changed)]).toEqual([2, 0]);
  });

  test("has no neighbours where somebody was asked to set the MAC that was there already", () => {
    expect(neighbours(planAfterChain(made, result(), true))).toBe(0);
  });

  test("leaves open the MTU that an older result cannot tell, and the MAC that it does not", () => {
    const { name, sandbox = "" } = interfaces[1] ?? expect.fail("the pod's interface is the last");
    const old = { ...result(), interfaces: [{ name, sandbox }] };
    const changed = planAfterChain(made, old, false);
    expect(podLink(changed)).toMatchObject({ mtu: undefined, mac: interfaces[1]?.mac });
    expect(neighbours(changed)).toBe(2);
  });

  test("is ADD's where the result does not have the pod's interface", () => {
    const without = {
      ...result(),
      interfaces: [{ name: "eth0" }, { name: "eth1", sandbox: "/run/netns/pod1", mtu: 1 }],
    };
    expect(planAfterChain(made, without, false)).toEqual(plan);
  });

  test("is never another on the host", () => {
    const changed = planAfterChain(made, result({ mac: "0a:58:00:00:00:09", mtu: 1400 }), true);
    expect(onHost(changed)).toEqual(onHost(plan));
  });
});

test("without the chain's result whatever it may have changed is left open", () => {
  const open = planOfAnyChain(plan);
  expect(podLink(open)).toMatchObject({ mac: undefined, mtu: undefined });
  expect(neighbours(open)).toBe(0);
  expect(onHost(open)).toEqual(onHost(plan));
});

describe("of a slave of ipvlan, which has its master's MAC and no other,", () => {
  const slave = ipvlan.wire(inMode("l2", { ips: [ipv4, ipv6] }));
  const planAfter = (changes: Partial<Interface>, macWasSet = false) =>
    planAfterChain(slave, resultOf(slave, changes), macWasSet);
  const inPod = (from: Plan) => neighbours(from.filter(({ where }) => where === "pod"));

  test("the gateway's neighbours are looked at, whatever MAC was asked for", () => {
    expect(inPod(planAfter({}))).toBe(2);
    expect(inPod(planAfter({}, true))).toBe(2);
    expect(inPod(planOfAnyChain(slave.plan))).toBe(2);
  });

  test("the MAC is left open: after the master was made anew it is another one than was reported", () => {
    expect(podLink(planAfter({}))).toMatchObject({ mac: undefined });
    expect(podLink(planAfter({ mac: "0a:58:00:00:00:09" }, true))).toMatchObject({ mac: undefined });
  });

  test("the MTU that follows the master's is left open, and the one that the chain gave it is not", () => {
    expect(podLink(planAfter({}))).toMatchObject({ mtu: undefined });
    expect(podLink(planAfter({ mtu: 1300 }))).toMatchObject({ mtu: 1300 });
  });

  test("an MTU of its own is looked at", () => {
    const own = ipvlan.wire(inMode("l2", { ips: [ipv4], mtu: 1400 }));
    expect(podLink(planAfterChain(own, resultOf(own, {}), false))).toMatchObject({ mtu: 1400 });
  });
});
