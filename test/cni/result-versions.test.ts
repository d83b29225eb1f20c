// One dual-stack result in the JSON of every version, and what comes from outside in each of them.
import { describe, expect, test } from "vitest";
import type { Result } from "../../src/cni/result.ts";
import { decodeResult, encodeResult } from "../../src/cni/result-versions.ts";
import { type CniVersion, isAtLeast, supportedVersions } from "../../src/cni/versions.ts";
import { thrown } from "./thrown.ts";

const dns = {
  nameservers: ["10.96.0.10"],
  domain: "cluster.local",
  search: ["default.svc.cluster.local", "svc.cluster.local"],
  options: ["ndots:5"],
};

const dualStack: Result = {
  interfaces: [
    { name: "pw0123456789abc", mac: "ee:70:77:00:00:01", mtu: 1450 },
    {
      name: "eth0",
      mac: "0a:58:0a:f4:01:07",
      mtu: 1450,
      sandbox: "/run/netns/pod1",
      socketPath: "/s",
      pciID: "0000:00:1f.6",
    },
  ],
  ips: [
    { address: "10.244.1.7/32", gateway: "169.254.1.1", interface: 1 },
    { address: "fd00::7/128", gateway: "fe80::1", interface: 1 },
  ],
  routes: [
    { dst: "0.0.0.0/0", gw: "169.254.1.1", mtu: 1400, advmss: 1360, priority: 7, table: 100, scope: 0 },
    { dst: "192.0.2.0/24" },
    { dst: "::/0", gw: "fe80::1" },
  ],
  dns,
};

const legacy = (cniVersion: string) => ({
  cniVersion,
  ip4: {
    ip: "10.244.1.7/32",
    gateway: "169.254.1.1",
    routes: [{ dst: "0.0.0.0/0", gw: "169.254.1.1" }, { dst: "192.0.2.0/24" }],
  },
  ip6: { ip: "fd00::7/128", gateway: "fe80::1", routes: [{ dst: "::/0", gw: "fe80::1" }] },
  dns,
});

const middle = (cniVersion: string) => ({
  cniVersion,
  interfaces: [
    { name: "pw0123456789abc", mac: "ee:70:77:00:00:01" },
    { name: "eth0", mac: "0a:58:0a:f4:01:07", sandbox: "/run/netns/pod1" },
  ],
  ips: [
    { version: "4", address: "10.244.1.7/32", gateway: "169.254.1.1", interface: 1 },
    { version: "6", address: "fd00::7/128", gateway: "fe80::1", interface: 1 },
  ],
  routes: [{ dst: "0.0.0.0/0", gw: "169.254.1.1" }, { dst: "192.0.2.0/24" }, { dst: "::/0", gw: "fe80::1" }],
  dns,
});

const golden: Record<CniVersion, object> = {
  "0.1.0": legacy("0.1.0"),
  "0.2.0": legacy("0.2.0"),
  "0.3.0": middle("0.3.0"),
  "0.3.1": middle("0.3.1"),
  "0.4.0": middle("0.4.0"),
  // The addresses' families went.
  "1.0.0": { ...middle("1.0.0"), ips: dualStack.ips },
  "1.1.0": { cniVersion: "1.1.0", ...dualStack },
};

/** As it comes out of a pipe. */
const json = (value: unknown) => JSON.parse(JSON.stringify(value)) as unknown;
const empty: Result = { interfaces: [], ips: [], routes: [], dns: {} };

describe.each(supportedVersions)("a result in version %s", (version) => {
  test("has exactly the fields of that version", () => {
    expect(json(encodeResult(dualStack, version))).toEqual(golden[version]);
  });

  test("is the same after reading and writing it again", () => {
    const decoded = decodeResult(golden[version], version, "test");
    expect(json(encodeResult(decoded, version))).toEqual(golden[version]);
  });

  test("gives an IPv6-only pod no trace of IPv4", () => {
    const only: Result = { ...dualStack, ips: dualStack.ips.slice(1), routes: dualStack.routes.slice(2) };
    const text = JSON.stringify(encodeResult(only, version));
    expect(text).not.toMatch(/10\.244|169\.254|0\.0\.0\.0|"ip4"|"version":"4"/);
    expect(decodeResult(JSON.parse(text), version, "test").ips[0]?.address).toBe("fd00::7/128");
  });

  test("leaves the result it was made from as it is", () => {
    const before = structuredClone(dualStack);
    encodeResult(dualStack, version);
    expect(dualStack).toEqual(before);
  });

  test("without an address is an error only where the version cannot say it", () => {
    if (isAtLeast(version, "0.3.0")) {
      expect(encodeResult(empty, version)).toEqual({ cniVersion: version, ...empty });
    } else {
      expect(thrown(() => encodeResult(empty, version))).toMatchObject({
        code: 1,
        details: expect.stringContaining(version),
      });
    }
  });

  test("may be all but empty, as the reference plugins write it", () => {
    for (const input of [
      {},
      { dns: {} },
      { dns: null },
      { ips: null, interfaces: null, routes: null, ip4: null },
    ]) {
      expect(decodeResult(input, version, "test")).toEqual(empty);
    }
  });

  test.each([null, undefined, 7, "text", true, [], [[]]])("is not %j", (input) => {
    const error = thrown(() => decodeResult(input, version, "prevResult"));
    expect(error.code).toBe(6);
    expect(error.details).toMatch(/^prevResult: the whole: /);
    expect(error.details).toContain(`expected a result of version ${version}`);
  });

  test("with keys that mean something to JavaScript does no harm", () => {
    const text =
      '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"dns":{"__proto__":{"polluted":1}}}';
    const decoded = decodeResult(JSON.parse(text), version, "test");
    expect(decoded).toEqual(empty);
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
    expect((decoded.dns as { polluted?: number }).polluted).toBeUndefined();
  });
});

test("every version's result tells the same as far as both versions can say it", () => {
  for (const version of supportedVersions) {
    const { ips, routes } = decodeResult(golden[version], version, "test");
    expect(ips.map(({ address, gateway }) => [address, gateway])).toEqual(
      dualStack.ips.map(({ address, gateway }) => [address, gateway]),
    );
    expect(routes.map(({ dst, gw }) => [dst, gw])).toEqual(dualStack.routes.map(({ dst, gw }) => [dst, gw]));
  }
});

test("of several addresses of a family the old versions get the first", () => {
  const many = { ...dualStack, ips: [...dualStack.ips, { address: "10.244.1.8/32" }] };
  expect(json(encodeResult(many, "0.2.0"))).toEqual(golden["0.2.0"]);
});

test("what the reference plugins write for absent is absent", () => {
  const input = {
    interfaces: [{ name: "eth0", mac: "", sandbox: "" }],
    ips: [{ address: "10.0.0.2/24", gateway: "", interface: null }],
    routes: [{ dst: "0.0.0.0/0", gw: "", mtu: 0, advmss: 0, priority: 0 }],
    dns: { nameservers: null, domain: "", search: [] },
  };
  expect(decodeResult(input, "1.1.0", "test")).toEqual({
    interfaces: [{ name: "eth0" }],
    ips: [{ address: "10.0.0.2/24" }],
    routes: [{ dst: "0.0.0.0/0" }],
    dns: {},
  });
});

test("an address of the first interface keeps its index 0", () => {
  const input = { ips: [{ address: "10.0.0.2/24", interface: 0 }] };
  expect(decodeResult(input, "1.0.0", "test").ips).toEqual(input.ips);
});

describe("a hostile result is refused with code 6, its source and the place", () => {
  test.each([
    ["ips", { ips: {} }],
    ["ips.0", { ips: [null] }],
    ["ips.0.address", { ips: [{}] }],
    ["ips.0.address", { ips: [{ address: "10.0.0.1" }] }],
    ["ips.0.address", { ips: [{ address: "10.0.0.1/33" }] }],
    ["ips.0.address", { ips: [{ address: "10.0.0.1/24; reboot" }] }],
    ["ips.0.address", { ips: [{ address: "::ffff:10.0.0.1/24" }] }],
    ["ips.0.address", { ips: [{ address: 7 }] }],
    ["ips.0.gateway", { ips: [{ address: "10.0.0.1/24", gateway: "gw" }] }],
    ["ips.0.interface", { ips: [{ address: "10.0.0.1/24", interface: "0" }] }],
    ["ips.0.interface", { ips: [{ address: "10.0.0.1/24", interface: -1 }] }],
    ["ips.0.interface", { ips: [{ address: "10.0.0.1/24", interface: 0.5 }] }],
    ["ips.1.address", { ips: [{ address: "10.0.0.1/24" }, { address: "" }] }],
    ["interfaces.0.name", { interfaces: [{}] }],
    ["interfaces.0.mtu", { interfaces: [{ name: "eth0", mtu: "1500" }] }],
    ["interfaces.0.sandbox", { interfaces: [{ name: "eth0", sandbox: 7 }] }],
    ["routes.0.dst", { routes: [{ dst: "default" }] }],
    ["routes.0.gw", { routes: [{ dst: "0.0.0.0/0", gw: "dev eth0" }] }],
    ["routes.0.mtu", { routes: [{ dst: "0.0.0.0/0", mtu: -1 }] }],
    ["routes.0.table", { routes: [{ dst: "0.0.0.0/0", table: 4294967296 }] }],
    ["routes.0.priority", { routes: [{ dst: "0.0.0.0/0", priority: 1e300 }] }],
    ["routes.0.scope", { routes: [{ dst: "0.0.0.0/0", scope: 256 }] }],
    ["dns", { dns: "10.96.0.10" }],
    ["dns.nameservers", { dns: { nameservers: "10.96.0.10" } }],
    ["dns.search.0", { dns: { search: [7] } }],
  ])("%s of %j", (place, input) => {
    const error = thrown(() => decodeResult(input, "1.1.0", "prevResult"));
    expect([error.code, error.details.split(": ").slice(0, 2)]).toEqual([6, ["prevResult", place]]);
  });

  test.each([
    ["ip4", { ip4: [] }],
    ["ip4.ip", { ip4: {} }],
    ["ip4.ip", { ip4: { ip: "10.0.0.1" } }],
    ["ip6.routes", { ip6: { ip: "fd00::1/64", routes: {} } }],
    ["ip6.routes.0.dst", { ip6: { ip: "fd00::1/64", routes: [{}] } }],
  ])("%s of %j in version 0.2.0", (place, input) => {
    const error = thrown(() => decodeResult(input, "0.2.0", "dhcp"));
    expect([error.code, error.details.split(": ").slice(0, 2)]).toEqual([6, ["dhcp", place]]);
  });
});
