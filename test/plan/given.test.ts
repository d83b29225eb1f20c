// Which MAC a plan has for a bridge's local port, by what Open vSwitch and the kernel say of it.
import { expect, test } from "vitest";
import { withGiven } from "../../src/plan/given.ts";
import { bridgeObject, localPort } from "../../src/plan/ovs/bridge.ts";
import type { ObservedBridge } from "../../src/plan/ovs/observe.ts";
import { toHost } from "../../src/plan/ovs/tables.ts";
import type { OvsFlows, Plan } from "../../src/plan/plan.ts";
import { kernelAsPlanned, observed } from "./kernel-state.ts";

const at = { database: "unix:/run/openvswitch/db.sock", bridge: "br0" };
const planned = "ee:70:77:00:00:01";
const other = "02:00:00:00:00:79";
const ofLink = "6a:c6:e3:5e:72:84";

const own: ObservedBridge = { datapathType: "system", isOwn: true, mac: planned };
const theirs: ObservedBridge = { ...own, isOwn: false };

test.each([
  ["podwire's own, whose link is new and has another", own, planned],
  ["podwire's own, to which somebody gave another", { ...own, mac: other }, other],
  ["podwire's own, from which somebody took it", { ...own, mac: undefined }, ofLink],
  ["others', whatever the row says", theirs, ofLink],
  ["one that is gone", undefined, planned],
])("flows have the MAC of a bridge of %s", (_what, bridge, mac) => {
  const inUse = { at, datapathType: "system", isForeign: false, localMac: planned } as const;
  const port = localPort(inUse, true);
  const flow = { table: 241, priority: 1, match: "", actions: toHost(planned) };
  const flows: OvsFlows = {
    kind: "ovs-flows",
    where: "host",
    ...at,
    cookie: "0x7077000000000000",
    flows: [flow],
  };
  const plan: Plan = [bridgeObject(inUse), port, flows];
  const state = observed(kernelAsPlanned([{ ...port, mac: ofLink }]));
  const given = withGiven(plan, { ...state, ovs: { ...state.ovs, bridge: () => bridge } });
  expect(given).toEqual([
    plan[0],
    { ...port, mac },
    { ...flows, flows: [{ ...flow, actions: toHost(mac) }] },
  ]);
});
