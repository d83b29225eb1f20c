import { writeFileSync } from "node:fs";
import path from "node:path";
import { afterEach, expect, test } from "vitest";
import { ErrorCode } from "../../src/cni/error.ts";
import { parseConfig, requestedIps, storeDirectory } from "../../src/ipam/host-local/config.ts";
import { formatRange } from "../../src/ipam/host-local/range.ts";
import { readResolvConf } from "../../src/ipam/host-local/resolv-conf.ts";
import { makeNetwork, networkConfig, removeNetworks } from "./request.ts";

afterEach(removeNetworks);

const subnet = "10.1.2.0/24";
const parse = (ipam: Record<string, unknown>, rest: Record<string, unknown> = {}) =>
  parseConfig(networkConfig("/data", ipam, rest));
const sets = (ipam: Record<string, unknown>, rest: Record<string, unknown> = {}) =>
  parse(ipam, rest).rangeSets.map((set) => set.map(formatRange).join());

test("runtimeConfig.ipRanges come first, then the single range, then ranges", () => {
  const runtimeConfig = { ipRanges: [[{ subnet: "10.3.0.0/30" }]] };
  expect(sets({ subnet: "10.2.0.0/30", ranges: [[{ subnet: "10.1.0.0/30" }]] }, { runtimeConfig })).toEqual([
    "10.3.0.1-10.3.0.2",
    "10.2.0.1-10.2.0.2",
    "10.1.0.1-10.1.0.2",
  ]);
});

test.each([null, { ips: null, ipRanges: null }])("runtimeConfig %j asks for nothing", (runtimeConfig) => {
  expect(sets({ subnet: "10.2.0.0/30" }, { runtimeConfig })).toEqual(["10.2.0.1-10.2.0.2"]);
  expect(requestedIps(networkConfig("/data", { subnet }, { runtimeConfig }), { ips: [] })).toEqual([]);
});

test("empty strings stand for absent keys", () => {
  expect(sets({ ranges: [[{ subnet, rangeStart: "", rangeEnd: "", gateway: "" }]], resolvConf: "" })).toEqual(
    ["10.1.2.1-10.1.2.254"],
  );
  expect(storeDirectory(networkConfig("", { subnet }))).toBe("/var/lib/cni/networks/testnet");
});

test("the store's directory needs no valid ranges", () => {
  expect(storeDirectory(networkConfig("/data", { ranges: "nonsense" }))).toBe("/data/testnet");
});

test("routes are taken over as they are", () => {
  const routes = [
    { dst: "0.0.0.0/0" },
    { dst: "10.0.0.0/8", gw: "10.1.2.9", mtu: 1400, table: 7, scope: 253 },
  ];
  expect(parse({ subnet, routes }).routes).toEqual(routes);
  expect(parse({ subnet, routes: [{ dst: "0.0.0.0/0", gw: "" }] }).routes).toEqual([{ dst: "0.0.0.0/0" }]);
});

test("requested addresses come from CNI_ARGS, args.cni and runtimeConfig, each once, with or without prefix length", () => {
  const rest = {
    args: { cni: { ips: ["10.1.2.8/24", "10.1.2.7"] } },
    runtimeConfig: { ips: ["FD00:0::7/64", "10.1.2.8"] },
  };
  const requests = requestedIps(networkConfig("/data", { subnet }, rest), { ips: ["10.1.2.7"] });
  expect(requests.map(({ source }) => source)).toEqual([
    "CNI_ARGS IP",
    "args.cni.ips.0",
    "runtimeConfig.ips.0",
  ]);
});

const faults: [string, Record<string, unknown>, number, RegExp, Record<string, unknown>?][] = [
  ["no range at all", {}, 7, /^config: ipam\.ranges is missing: expected a range set/],
  ["an empty range set", { ranges: [[]] }, 7, /^config: ipam\.ranges\.0 = \[\]/],
  ["ranges that are no list", { ranges: "x" }, 7, /^config: ipam\.ranges = "x"; expected array/],
  [
    "a missing subnet",
    { ranges: [[{}]] },
    7,
    /^config: ipam\.ranges\.0\.0\.subnet is missing; expected string/,
  ],
  [
    "a subnet that is none",
    { ranges: [[{ subnet: "10.1.2.0" }]] },
    7,
    /subnet = "10\.1\.2\.0"; expected a network/,
  ],
  [
    "a subnet with host bits",
    { subnet: "10.1.2.3/24" },
    7,
    /^config: ipam\.subnet.*expected 10\.1\.2\.0\/24/,
  ],
  ["a subnet of two addresses", { subnet: "10.1.2.2/31" }, 7, /at most 30/],
  ["an IPv6 subnet of two addresses", { subnet: "fd00::/127" }, 7, /at most 126/],
  ["an IPv4-mapped subnet", { subnet: "::ffff:10.1.2.0/24" }, 7, /expected a network/],
  ["a start outside the subnet", { subnet, rangeStart: "10.1.3.1" }, 7, /rangeStart = "10\.1\.3\.1"/],
  ["an end outside the subnet", { subnet, rangeEnd: "fd00::1" }, 7, /rangeEnd = "fd00::1"/],
  [
    "an end below the start",
    { subnet, rangeStart: "10.1.2.9", rangeEnd: "10.1.2.8" },
    7,
    /not below.*10\.1\.2\.9/,
  ],
  [
    "a gateway that is no address",
    { subnet, gateway: "10.1.2.300" },
    7,
    /^config: ipam\.gateway = "10\.1\.2\.300"/,
  ],
  [
    "a single range without subnet",
    { rangeStart: "10.1.2.9" },
    7,
    /^config: ipam\.rangeStart .*has no effect without ipam\.subnet/,
  ],
  ["families mixed in a set", { ranges: [[{ subnet }, { subnet: "fd00::/64" }]] }, 7, /one family/],
  ["overlap in a set", { ranges: [[{ subnet }, { subnet: "10.1.2.128/25" }]] }, 7, /do not overlap/],
  ["overlap of sets", { subnet, ranges: [[{ subnet: "10.1.0.0/16" }]] }, 7, /overlaps with/],
  [
    "two IPv4 sets before 0.3.0",
    { subnet, ranges: [[{ subnet: "10.9.0.0/16" }]] },
    7,
    /cniVersion = "0\.2\.0"/,
    { cniVersion: "0.2.0" },
  ],
  ["an unknown key", { subnet, rangestart: "10.1.2.4" }, 2, /^config: ipam\.rangestart = "10\.1\.2\.4"/],
  [
    "an unknown key of a range",
    { ranges: [[{ subnet, vlan: 3 }]] },
    2,
    /^config: ipam\.ranges\.0\.0\.vlan = 3/,
  ],
  [
    "an unknown key of a runtime's range",
    { subnet },
    2,
    /^config: runtimeConfig\.ipRanges\.0\.0\.x = 1/,
    { runtimeConfig: { ipRanges: [[{ subnet: "10.3.0.0/24", x: 1 }]] } },
  ],
  ["a route without destination", { subnet, routes: [{}] }, 7, /^config: ipam\.routes\.0\.dst is missing/],
  [
    "a relative dataDir",
    { subnet, dataDir: "networks" },
    7,
    /^config: ipam\.dataDir = "networks"; expected an absolute path/,
  ],
];

for (const [name, ipam, code, details, rest] of faults) {
  test(`${name} is refused with the path and the value`, () => {
    expect(() => parse(ipam, rest)).toThrow(
      expect.objectContaining({ code, details: expect.stringMatching(details) }),
    );
  });
}

test("a requested address that is none is refused with its source", () => {
  const config = networkConfig("/data", { subnet }, { runtimeConfig: { ips: ["10.1.2.3", "ten"] } });
  const fault = {
    code: ErrorCode.invalidConfig,
    details: expect.stringMatching(/^config: runtimeConfig\.ips\.1 = "ten"/),
  };
  expect(() => requestedIps(config, { ips: [] })).toThrow(expect.objectContaining(fault));
});

test("resolvConf is read like a resolv.conf", () => {
  const file = path.join(makeNetwork({ subnet }).dataDir, "resolv.conf");
  writeFileSync(
    file,
    "# c\n;c\nnameserver 1.1.1.1 x\n nameserver\tfd00::53\ndomain a\ndomain b.example\nsearch c d\nsearch e\noptions ndots:5 rotate\nsortlist x\nnameserver\n",
  );
  expect(readResolvConf(file)).toEqual({
    nameservers: ["1.1.1.1", "fd00::53"],
    domain: "b.example",
    search: ["c", "d", "e"],
    options: ["ndots:5", "rotate"],
  });
});

test("a missing resolvConf is an error that names the file", () => {
  const fault = { code: ErrorCode.io, details: expect.stringContaining('"/nonexistent/resolv.conf"') };
  expect(() => readResolvConf("/nonexistent/resolv.conf")).toThrow(expect.objectContaining(fault));
});
