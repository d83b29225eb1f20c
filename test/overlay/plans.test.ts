// The overlays by their plans: read the first tests to know what podwire makes of a node's peers.
import { describe, expect, test } from "vitest";
import type { WantedOverlay } from "../../src/overlay/overlay.ts";
import { overlays } from "../../src/overlay/registry.ts";
import type { Plan } from "../../src/plan/plan.ts";
import { n2, n3, request } from "./request.ts";

const onHost = { where: "host" } as const;
const key = (name: string, value: string) => ({ kind: "sysctl", ...onHost, key: name, value });
const route = { kind: "route", ...onHost, protocol: 120 };

function planOf(
  config: WantedOverlay,
  ...rest: [Parameters<typeof request>[1]?, Parameters<typeof request>[2]?]
) {
  return overlays[config.type].plan(request(config, ...rest)).plan;
}

const nowhere = (dst: string) => {
  const link = dst.includes(":") ? "lo" : "";
  return { ...route, link, dst, priority: 4_000_000_000, isDeadEnd: true };
};

/** To peers. */
const routesIn = (plan: Plan = []) =>
  plan.flatMap((object) => (object.kind === "route" && !object.isDeadEnd ? [object] : []));

describe("vxlan", () => {
  test("is one device for all peers, and per prefix a neighbour and a route with its destination", () => {
    expect(planOf({ type: "vxlan" })).toEqual([
      {
        kind: "peer-sets",
        ...onHost,
        prefixes: ["10.244.2.0/24"],
        filter: { port: 4789, id: 4096, addresses: ["192.0.2.2"] },
      },
      {
        kind: "link",
        ...onHost,
        name: "pw-vxlan",
        mac: "0a:70:c0:00:02:01",
        mtu: 1450,
        alias: "podwire:overlay",
        noAutomaticAddress: true,
        type: { kind: "tunnel", driver: "vxlan", port: 4789 },
      },
      { kind: "address", ...onHost, link: "pw-vxlan", address: "10.244.1.0/32" },
      { kind: "neighbour", ...onHost, link: "pw-vxlan", address: "10.244.2.0", mac: "0a:70:c0:00:02:02" },
      {
        ...route,
        link: "pw-vxlan",
        dst: "10.244.2.0/24",
        gateway: "10.244.2.0",
        encap: { id: 4096, local: "192.0.2.1", remote: "192.0.2.2", checksum: true },
        priority: 2562,
      },
      nowhere("10.244.1.0/24"),
      key("net/ipv4/conf/pw-vxlan/forwarding", "1"),
      key("net/ipv4/ip_forward", "1"),
    ]);
  });

  test("carries IPv6 pods over an IPv4 underlay", () => {
    const peer = { ...n2, podCIDRs: ["fd00:10:244:2::/64"] };
    expect(planOf({ type: "vxlan" }, [peer], { own: ["fd00:10:244:1::/64"] })).toEqual([
      expect.objectContaining({ kind: "peer-sets", prefixes: ["fd00:10:244:2::/64"] }),
      expect.objectContaining({ kind: "link", name: "pw-vxlan" }),
      key("net/ipv6/conf/pw-vxlan/disable_ipv6", "0"),
      { kind: "address", ...onHost, link: "pw-vxlan", address: "fd00:10:244:1::/128" },
      {
        kind: "neighbour",
        ...onHost,
        link: "pw-vxlan",
        address: "fd00:10:244:2::",
        mac: "0a:70:c0:00:02:02",
      },
      {
        ...route,
        link: "pw-vxlan",
        dst: "fd00:10:244:2::/64",
        gateway: "fd00:10:244:2::",
        encap: { id: 4096, local: "192.0.2.1", remote: "192.0.2.2", checksum: true },
      },
      nowhere("fd00:10:244:1::/64"),
      key("net/ipv6/conf/all/forwarding", "1"),
      key("net/ipv6/conf/pw-vxlan/forwarding", "1"),
    ]);
  });

  test("has the settings of its configuration", () => {
    const plan = planOf({
      type: "vxlan",
      vni: 7,
      port: 8472,
      mtu: 1400,
      udpcsum: false,
      sourcePorts: "40000-50000",
      tos: 8,
      ttl: 3,
      peerFilter: false,
    });
    expect(plan?.[0]).toEqual({ kind: "peer-sets", ...onHost, prefixes: ["10.244.2.0/24"] });
    expect(plan?.[1]).toMatchObject({
      mtu: 1400,
      type: { kind: "tunnel", driver: "vxlan", port: 8472, sourcePorts: [40000, 50000] },
    });
    expect(routesIn(plan)[0]).toMatchObject({
      encap: { id: 7, local: "192.0.2.1", remote: "192.0.2.2", checksum: false, tos: 8, ttl: 3 },
    });
  });

  test("with directRouting reaches peers on the link without the tunnel", () => {
    const routes = routesIn(planOf({ type: "vxlan", directRouting: true }, [n2, n3]));
    expect(routes).toEqual([
      { ...route, link: "eth0", dst: "10.244.2.0/24", gateway: "192.0.2.2", priority: 2562 },
      expect.objectContaining({ link: "pw-vxlan", encap: expect.objectContaining({ remote: n3.address }) }),
    ]);
  });

  test("with directRouting goes by the tunnel to a prefix whose own next hop is not on the link", () => {
    const peer = { ...n2, address6: "2001:db8:ffff::2", podCIDRs: ["10.244.2.0/24", "fd00:2::/64"] };
    expect(routesIn(planOf({ type: "vxlan", directRouting: true }, [peer])).map(({ link }) => link)).toEqual([
      "eth0",
      "pw-vxlan",
    ]);
  });

  test("over IPv6 leaves 20 bytes less", () => {
    const peer = { ...n2, address: "2001:db8::2" };
    const [, link] = planOf({ type: "vxlan" }, [peer], { local: "2001:db8::1" }) ?? [];
    expect(link).toMatchObject({ mtu: 1430, mac: expect.stringMatching(/^0e:/) });
  });

  test.each([
    [
      { address: "2001:db8::2" },
      /peer n2: address 2001:db8::2 is IPv6, but this node is known by 192\.0\.2\.1/,
    ],
  ])("refuses a peer of the other family", (change, message) => {
    expect(() => planOf({ type: "vxlan" }, [{ ...n2, ...change }])).toThrow(
      expect.objectContaining({ code: 7, details: expect.stringMatching(message) }),
    );
  });

  test("refuses an MTU that the underlay does not have room for", () => {
    expect(() => planOf({ type: "vxlan", mtu: 1451 })).toThrow(
      expect.objectContaining({
        code: 7,
        details: expect.stringMatching(/overlay\.mtu = 1451; expected at most 1450/),
      }),
    );
  });
});

describe.each(["vxlan", "geneve", "stt"] as const)("%s", (type) => {
  const device = `pw-${type}`;
  const settingsIn = (plan: Plan = []) =>
    plan.flatMap((object) => (object.kind === "sysctl" ? `${object.key} ${object.value}` : []));

  test("with directRouting forwards what peers send by the underlay too", () => {
    const peers = [{ ...n2, address6: "2001:db8::2", podCIDRs: ["10.244.2.0/24", "fd00:10:244:2::/64"] }];
    expect(settingsIn(planOf({ type, directRouting: true }, peers))).toEqual([
      `net/ipv6/conf/${device}/disable_ipv6 0`,
      `net/ipv4/conf/${device}/forwarding 1`,
      "net/ipv4/conf/eth0/forwarding 1",
      "net/ipv4/ip_forward 1",
      "net/ipv6/conf/all/forwarding 1",
      `net/ipv6/conf/${device}/forwarding 1`,
      "net/ipv6/conf/eth0/forwarding 1",
    ]);
  });

  test.each([
    ["pods here", [n2], ["10.244.1.0/24", "fd00:10:244:1::/64"]],
    ["pods there", [{ ...n2, podCIDRs: ["fd00:10:244:2::/64"] }], ["10.244.1.0/24"]],
  ])("has IPv6 on where %s have it", (_, peers, own) => {
    expect(settingsIn(planOf({ type }, peers, { own }))).toContain(`net/ipv6/conf/${device}/disable_ipv6 0`);
  });
});

describe("geneve", () => {
  test("differs from vxlan by its device and port, and by routes that say a TTL", () => {
    const [vxlan, geneve] = (["vxlan", "geneve"] as const).map((type) => JSON.stringify(planOf({ type })));
    const withTtl = vxlan?.replaceAll('"checksum":true', '"checksum":true,"ttl":64');
    expect(geneve).toBe(withTtl?.replaceAll("vxlan", "geneve").replaceAll("4789", "6081"));
    expect(routesIn(planOf({ type: "geneve", ttl: 3 }))[0]).toMatchObject({ encap: { ttl: 3 } });
  });

  test("has no range of source ports", () => {
    expect(() => planOf({ type: "geneve", sourcePorts: "1024-2048" })).toThrow(
      expect.objectContaining({ code: 7, details: expect.stringMatching(/geneve has no such setting/) }),
    );
  });
});

describe("stt", () => {
  test("is one device that knows its peers, and per prefix a route with its destination", () => {
    expect(planOf({ type: "stt" })).toEqual([
      { kind: "peer-sets", ...onHost, prefixes: ["10.244.2.0/24"] },
      {
        kind: "stt-settings",
        ...onHost,
        link: "pw-stt",
        port: 7471,
        output: "notrack",
        peers: ["192.0.2.2/32"],
      },
      {
        kind: "link",
        ...onHost,
        name: "pw-stt",
        mtu: 1428,
        alias: "podwire:overlay",
        noAutomaticAddress: true,
        type: { kind: "tunnel", driver: "stt", port: 7471 },
      },
      { kind: "address", ...onHost, link: "pw-stt", address: "10.244.1.0/32" },
      {
        ...route,
        link: "pw-stt",
        dst: "10.244.2.0/24",
        gateway: "10.244.2.0",
        encap: { id: 4096, local: "192.0.2.1", remote: "192.0.2.2", checksum: false },
        priority: 2562,
      },
      nowhere("10.244.1.0/24"),
      key("net/ipv4/conf/pw-stt/forwarding", "1"),
      key("net/ipv4/ip_forward", "1"),
    ]);
  });

  test("has the settings of its configuration, without a filter no list of peers", () => {
    const plan = planOf({
      type: "stt",
      vni: 7,
      port: 7472,
      output: "none",
      tos: 8,
      ttl: 3,
      peerFilter: false,
    });
    expect(plan?.[1]).toEqual({
      kind: "stt-settings",
      ...onHost,
      link: "pw-stt",
      port: 7472,
      output: "none",
    });
    expect(routesIn(plan)[0]).toMatchObject({
      encap: { id: 7, local: "192.0.2.1", remote: "192.0.2.2", checksum: false, tos: 8, ttl: 3 },
    });
  });

  test("lists its peers in one order, whatever that of the configuration", () => {
    const peersOf = (peers: Parameters<typeof request>[1]) => planOf({ type: "stt" }, peers)?.[1];
    expect(peersOf([n3, n2])).toEqual(peersOf([n2, n3]));
    expect(peersOf([n3, n2])).toMatchObject({ peers: ["192.0.2.2/32", "198.51.100.3/32"] });
  });

  test("with directRouting reaches peers on the link without the tunnel", () => {
    const routes = routesIn(planOf({ type: "stt", directRouting: true }, [n2, n3]));
    expect(routes).toEqual([
      { ...route, link: "eth0", dst: "10.244.2.0/24", gateway: "192.0.2.2", priority: 2562 },
      expect.objectContaining({ link: "pw-stt", encap: expect.objectContaining({ remote: n3.address }) }),
    ]);
  });

  test.each([
    ["of a packet of the path over IPv4", {}, {}, 1428],
    ["of a packet of the path over IPv6", {}, { local: "2001:db8::1" }, 1408],
    ["of a jumbo packet", {}, { mtu: 9000 }, 8928],
    ["of a frame at most", {}, { mtu: 65536 }, 65443],
    ["of several packets if it is asked for", { mtu: 65443 }, {}, 65443],
    ["of less than a packet", { mtu: 1300 }, {}, 1300],
  ])("has an MTU %s", (_, config, options, mtu) => {
    const address = "local" in options ? "2001:db8::2" : "192.0.2.2";
    const plan = planOf({ type: "stt", ...config }, [{ ...n2, address }], options);
    expect(plan?.[2]).toMatchObject({ name: "pw-stt", mtu });
  });

  test.each([
    [{ mtu: 65444 }, /overlay\.mtu = 65444; expected at most 65443/],
    [{ udpcsum: true }, /overlay\.udpcsum = true: stt has no such setting; remove it/],
    [{ sourcePorts: "1024-2048" }, /overlay\.sourcePorts = "1024-2048": stt has no such setting/],
  ])("refuses %j", (config, message) => {
    expect(() => planOf({ type: "stt", ...config })).toThrow(
      expect.objectContaining({ code: 7, details: expect.stringMatching(message) }),
    );
  });

  test("refuses more peers than the module's list holds, and names the way out", () => {
    const peers = Array.from({ length: 3271 }, (_, index) => ({
      node: `n${index}`,
      address: `198.18.${index >> 8}.${index & 255}`,
      podCIDRs: [],
    }));
    expect(() => planOf({ type: "stt" }, peers)).toThrow(
      expect.objectContaining({ code: 7, details: expect.stringMatching(/3271 peers; .* at most 3270/) }),
    );
    expect(planOf({ type: "stt", peerFilter: false }, peers)).toBeDefined();
  });
});

test.each(["vxlan", "geneve", "host-gw"] as const)("%s has no mode of output", (type) => {
  expect(() => planOf({ type, output: "none" })).toThrow(
    expect.objectContaining({
      code: 7,
      details: expect.stringMatching(/overlay\.output = "none": .* has no such setting/),
    }),
  );
});

describe("host-gw", () => {
  test("is a route for each prefix, by the peer's own address", () => {
    expect(planOf({ type: "host-gw" })).toEqual([
      { kind: "peer-sets", ...onHost, prefixes: ["10.244.2.0/24"] },
      { ...route, link: "eth0", dst: "10.244.2.0/24", gateway: "192.0.2.2", priority: 2562 },
      nowhere("10.244.1.0/24"),
      key("net/ipv4/conf/eth0/forwarding", "1"),
      key("net/ipv4/ip_forward", "1"),
    ]);
  });

  test.each([
    { vni: 7 },
    { port: 8472 },
    { udpcsum: true },
    { sourcePorts: "1024-2048" },
    { tos: 8 },
    { ttl: 3 },
    { directRouting: true },
    { peerFilter: true },
  ])("refuses %j, which could only be passed over", (config) => {
    const [key = ""] = Object.keys(config);
    expect(() => planOf({ type: "host-gw", ...config })).toThrow(
      expect.objectContaining({
        code: 7,
        details: expect.stringMatching(
          new RegExp(`^overlay\\.${key} = .*: host-gw has no such setting; remove it`),
        ),
      }),
    );
  });

  test("routes IPv6 pods by address6", () => {
    const peer = { ...n2, address6: "2001:db8::2", podCIDRs: ["10.244.2.0/24", "fd00:10:244:2::/64"] };
    expect(routesIn(planOf({ type: "host-gw" }, [peer]))).toEqual([
      expect.objectContaining({ dst: "10.244.2.0/24", gateway: "192.0.2.2" }),
      { ...route, link: "eth0", dst: "fd00:10:244:2::/64", gateway: "2001:db8::2" },
    ]);
  });

  test("routes IPv4 pods by an IPv6 address where the underlay has no IPv4", () => {
    const peer = { ...n2, address: "2001:db8::2" };
    expect(routesIn(planOf({ type: "host-gw" }, [peer], { local: "2001:db8::1" }))).toMatchObject([
      { dst: "10.244.2.0/24", gateway: "2001:db8::2" },
    ]);
  });

  test("names the IPv6 address of a peer that is not on the link, if it is needed", () => {
    const peer = { ...n2, address6: "2001:db8:ffff::2" };
    expect(() =>
      planOf({ type: "host-gw" }, [{ ...peer, podCIDRs: ["10.244.2.0/24", "fd00:2::/64"] }]),
    ).toThrow(
      expect.objectContaining({
        code: 7,
        details: expect.stringMatching(/peer n2: address 2001:db8:ffff::2 is not on the link eth0/),
      }),
    );
    expect(routesIn(planOf({ type: "host-gw" }, [peer]))).toHaveLength(1);
  });

  test("names the peer that is not on the link, and the one without an address for its IPv6 pods", () => {
    expect(() => planOf({ type: "host-gw" }, [n2, n3])).toThrow(
      expect.objectContaining({
        code: 7,
        details: expect.stringMatching(/peer n3: address 198\.51\.100\.3 is not on/),
      }),
    );
    expect(() => planOf({ type: "host-gw" }, [{ ...n2, podCIDRs: ["fd00:10:244:2::/64"] }])).toThrow(
      expect.objectContaining({
        code: 7,
        details: expect.stringMatching(/peer n2: .* give its IPv6 address as address6/),
      }),
    );
  });
});
