import { describe, expect, test } from "vitest";
import { chained, dnsOf, requestedMac } from "../../src/attachment/wishes.ts";
import type { Result } from "../../src/cni/result.ts";
import { veth } from "../../src/datapath/veth.ts";
import { wiring } from "../datapath/wiring.ts";
import { call } from "./call.ts";

describe("the MAC address", () => {
  const fromRuntime = { runtimeConfig: { mac: "0a:58:0a:f4:01:07" } };

  test("is the runtime's, else that of CNI_ARGS, else the datapath's choice", () => {
    expect(requestedMac(call({ config: fromRuntime, args: "MAC=0a:58:0a:f4:01:08" }))).toBe(
      "0a:58:0a:f4:01:07",
    );
    expect(requestedMac(call({ args: "MAC=0a:58:0a:f4:01:08" }))).toBe("0a:58:0a:f4:01:08");
    expect(requestedMac(call())).toBeUndefined();
  });

  test("that a runtime leaves empty is none", () => {
    expect(
      requestedMac(call({ config: { runtimeConfig: { mac: "" } }, args: "MAC=0a:58:0a:f4:01:08" })),
    ).toBe("0a:58:0a:f4:01:08");
    expect(requestedMac(call({ config: { runtimeConfig: { mac: "" } }, args: "MAC=" }))).toBeUndefined();
    for (const runtimeConfig of [null, { mac: null }]) {
      expect(requestedMac(call({ config: { runtimeConfig } }))).toBeUndefined();
      expect(requestedMac(call({ config: { runtimeConfig }, args: "MAC=0a:58:0a:f4:01:08" }))).toBe(
        "0a:58:0a:f4:01:08",
      );
    }
  });
});

describe("DNS settings", () => {
  const fromIpam = { nameservers: ["192.0.2.53"], domain: "ipam", options: ["rotate"] };
  const dns = { nameservers: ["192.0.2.54"], search: ["config"] };
  const runtimeConfig = { dns: { servers: ["192.0.2.55"] } };

  test("are the IPAM's where nobody else has a wish", () => {
    expect(dnsOf(call(), fromIpam)).toEqual(fromIpam);
    expect(dnsOf(call(), {})).toEqual({});
  });

  test("are the configuration's before the IPAM's, and the runtime's before both, each by itself", () => {
    expect(dnsOf(call({ config: { dns } }), fromIpam)).toEqual({ ...fromIpam, ...dns });
    expect(dnsOf(call({ config: { dns, runtimeConfig } }), fromIpam)).toEqual({
      nameservers: ["192.0.2.55"],
      domain: "ipam",
      options: ["rotate"],
      search: ["config"],
    });
  });

  test.each([null, { dns: null }, { dns: { servers: null, searches: null, options: null } }])(
    "that a runtime leaves at null are nobody's wish: %j",
    (runtimeConfig) => {
      expect(dnsOf(call({ config: { dns, runtimeConfig } }), fromIpam)).toEqual({ ...fromIpam, ...dns });
    },
  );

  test("of the runtime have the names of results afterwards", () => {
    const all = { servers: ["192.0.2.55"], searches: ["a", "b"], options: ["ndots:2"] };
    expect(dnsOf(call({ config: { runtimeConfig: { dns: all } } }), {})).toEqual({
      nameservers: ["192.0.2.55"],
      search: ["a", "b"],
      options: ["ndots:2"],
    });
  });
});

describe("our result", () => {
  const wired = veth.wire(wiring());

  test("is the whole one when we are the first plugin", () => {
    expect(chained(undefined, wired, { domain: "ours" })).toEqual({
      interfaces: wired.interfaces,
      ips: wired.ips,
      routes: wired.routes,
      dns: { domain: "ours" },
    });
  });

  test("comes behind an earlier plugin's, with its addresses still at its own interfaces", () => {
    const previous: Result = {
      interfaces: [{ name: "br0" }, { name: "net1", sandbox: "/run/netns/pod1" }],
      ips: [{ address: "192.0.2.7/24", interface: 1 }, { address: "192.0.2.8/24" }],
      routes: [{ dst: "192.0.2.0/24" }],
      dns: { domain: "theirs", search: ["theirs"] },
    };
    const before = structuredClone(previous);
    const result = chained(previous, wired, { domain: "ours" });
    expect(result.interfaces).toEqual([...previous.interfaces, ...wired.interfaces]);
    expect(
      result.ips.map((ip) =>
        ip.interface === undefined ? undefined : result.interfaces[ip.interface]?.name,
      ),
    ).toEqual(["net1", undefined, "eth0"]);
    expect(result.routes).toEqual([...previous.routes, ...wired.routes]);
    expect(result.dns).toEqual({ domain: "ours", search: ["theirs"] });
    expect(previous).toEqual(before);
  });
});
