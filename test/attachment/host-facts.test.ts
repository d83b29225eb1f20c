// What can be told of any host; special ones are tested with nodes of their own.
import fs from "node:fs";
import { describe, expect, test } from "vitest";
import { defaultRouteLink, hostFacts, linkMtu, podMtu } from "../../src/attachment/host-facts.ts";
import { call } from "./call.ts";

const config = (changes: Record<string, unknown>) => call({ config: changes }).config;
const underlay = (name: string) => ({ overlay: { type: "none", underlay: name } });

describe("the pod's MTU", () => {
  test.each([576, 1450, 9000, 65535])("is %d where the configuration says so", (mtu) => {
    expect(podMtu(config({ mtu, ...underlay("lo") }))).toBe(mtu);
  });

  test("is the underlay's where the configuration leaves it open, up to what a link of a pod may have", () => {
    expect(linkMtu("lo")).toBeGreaterThanOrEqual(1280);
    // The loopback of most hosts has 65536, one more than a veth can.
    const mtu = Math.min(linkMtu("lo") ?? 0, 65535);
    expect(podMtu(config(underlay("lo")))).toBe(mtu);
    expect(podMtu(config({ mtu: 0, ...underlay("lo") }))).toBe(mtu);
  });

  test("is that of the default route's link, else Ethernet's", () => {
    const link = defaultRouteLink();
    expect(podMtu(config({}))).toBe(link === undefined ? 1500 : linkMtu(link));
    expect(podMtu(config(underlay("nonexistent")))).toBe(1500);
  });
});

test("the host's facts are those of its kernel", () => {
  const facts = hostFacts(false);
  expect(facts.ipv6).toBe(fs.existsSync("/proc/sys/net/ipv6"));
  expect(facts.advertisedLinks).toEqual([]);
  expect(hostFacts(true)).toMatchObject({ ipv6: facts.ipv6, ipv6OffByDefault: facts.ipv6OffByDefault });
});
