// Which pods of a node reach each other, by the plans that their datapaths make.
import { describe, expect, test } from "vitest";
import { whyApart } from "../../src/datapath/apart.ts";
import type { Wiring } from "../../src/datapath/datapath.ts";
import { datapaths } from "../../src/datapath/registry.ts";
import { type IpvlanMode, ipvlanModes } from "../../src/plan/plan.ts";
import { inMode, settings } from "./ipvlan-wiring.ts";
import { ipv4, ipv6, wiring } from "./wiring.ts";

const elsewhere = { address: "10.99.0.2/24" };
const veth = (changes: Partial<Wiring> = {}) =>
  datapaths.veth.wire(wiring({ ips: [elsewhere], ...changes })).plan;
const slave = (mode: IpvlanMode, changes: Partial<Wiring> = {}) =>
  datapaths.ipvlan.wire(inMode(mode, changes)).plan;

describe("pods of a node", () => {
  test.each(ipvlanModes)("reach each other as slaves of one master in mode %s", (mode) => {
    expect(whyApart(slave(mode), slave(mode, { ips: [{ address: "10.244.1.8/24" }] }))).toBeUndefined();
  });

  test("reach each other where the host routes to both", () => {
    expect(whyApart(veth(), veth({ ips: [ipv4] }))).toBeUndefined();
  });

  test.each(["l3", "l3s"] as const)("are apart in IPv4 if one is a slave in mode %s", (mode) => {
    const why = `ipvlan ${mode} pods on ens3 send what is for other IPv4 pods of the node out of ens3, where it is lost`;
    expect(whyApart(slave(mode), veth())).toBe(why);
    expect(whyApart(veth(), slave(mode))).toBe(why);
    expect(
      whyApart(slave(mode, { ips: [ipv6], routes: [] }), veth({ ips: [elsewhere, ipv6] })),
    ).toBeUndefined();
  });

  test("are apart if one has the other in its segment and is not on it", () => {
    const why = "ipvlan l2 pods on ens3 take others in 10.244.1.0/24 for neighbours, and do not find them";
    expect(whyApart(slave("l2"), veth({ ips: [{ address: "10.244.1.9/24" }] }))).toBe(why);
    expect(whyApart(slave("l2"), veth())).toBeUndefined();
  });

  test.each(["private", "vepa"] as const)("are apart from all others by flag %s", (flag) => {
    const apart = slave("l2", { ipvlan: settings("l2", { flag }) });
    expect(whyApart(veth(), apart)).toBe(
      `flag ${flag} keeps ipvlan l2 pods on ens3 apart from all other pods`,
    );
  });

  test("of two masters are like those of ipvlan and others", () => {
    const { master } = settings("l3s");
    const other = settings("l3s", { master: { ...master, name: "ens4" } });
    expect(whyApart(slave("l3s"), slave("l3s", { ipvlan: other }))).toContain("out of ens3");
  });
});
