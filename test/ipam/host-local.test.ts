import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { execa } from "execa";
import { afterEach, expect, test } from "vitest";
import { ErrorCode } from "../../src/cni/error.ts";
import { hostLocal, usage } from "../../src/ipam/host-local/host-local.ts";
import {
  add,
  del,
  leases,
  makeNetwork,
  makeRequest,
  type Network,
  networkConfig,
  putFile,
  removeNetworks,
} from "./request.ts";

afterEach(removeNetworks);

const small = { subnet: "10.1.2.0/29" };
const dual = { ranges: [[{ subnet: "10.1.2.0/29" }], [{ subnet: "fd00::/125" }]] };
const fault = (code: number, details: RegExp) =>
  expect.objectContaining({ code, details: expect.stringMatching(details) });
const unavailable = (details: RegExp) => fault(ErrorCode.addressUnavailable, details);
const gc = (network: Network, ...valid: string[]) =>
  hostLocal.gc(
    makeRequest(network.config, ""),
    valid.map((containerID) => ({ containerID, ifname: "eth0" })),
    Date.now(),
  );
const ago = (file: string, seconds: number) =>
  utimesSync(file, new Date(), new Date(Date.now() - 1000 * seconds));

test("ADD gives one address of each range set and writes the leases of the reference plugin", async () => {
  const routes = [{ dst: "0.0.0.0/0" }];
  const network = makeNetwork({ ...dual, routes });
  expect(await hostLocal.add(makeRequest(network.config, "c1"))).toEqual({
    ips: [
      { address: "10.1.2.2/29", gateway: "10.1.2.1" },
      { address: "fd00::2/125", gateway: "fd00::1" },
    ],
    routes,
    dns: {},
  });
  expect(leases(network)).toEqual({ "10.1.2.2": "c1\r\neth0", "fd00::2": "c1\r\neth0" });
  expect(readFileSync(path.join(network.directory, "last_reserved_ip.0"), "utf8")).toBe("10.1.2.2");
  expect(readFileSync(path.join(network.directory, "last_reserved_ip.1"), "utf8")).toBe("fd00::2");
});

test("an address that was just released is the last to be given again", async () => {
  const { config } = makeNetwork(small);
  await add(config, "c1");
  await del(config, "c1");
  expect(await add(config, "c2")).toEqual(["10.1.2.3/29"]);
});

test("exhaustion names the ranges, their sizes and what is in use, and leaves nothing behind", async () => {
  const network = makeNetwork({ ranges: [[{ subnet: "10.1.2.0/29" }], [{ subnet: "10.2.2.0/30" }]] });
  await add(network.config, "c1");
  const before = leases(network);
  await expect(add(network.config, "c2")).rejects.toEqual(
    unavailable(/range set 1: 10\.2\.2\.1-10\.2\.2\.2 has 1 addresses, 1 in use.*GC/),
  );
  expect(leases(network)).toEqual(before);
});

test("usage counts every range, gateways apart", async () => {
  const { config } = makeNetwork({ ranges: [[{ subnet: "10.1.2.0/29" }], [{ subnet: "fd00::/64" }]] });
  await add(config, "c1");
  expect(usage(config)).toEqual([
    { range: "10.1.2.1-10.1.2.6", total: 5n, used: 1 },
    { range: "fd00::1-fd00::ffff:ffff:ffff:ffff", total: 2n ** 64n - 2n, used: 1 },
  ]);
});

test("a requested address is given, whatever the round robin, and moves it", async () => {
  const { config } = makeNetwork(dual);
  expect(await add(config, "c1", ["fd00::5", "10.1.2.4"])).toEqual(["10.1.2.4/29", "fd00::5/125"]);
  expect(await add(config, "c2")).toEqual(["10.1.2.5/29", "fd00::6/125"]);
});

const refusals: [string, string[], RegExp][] = [
  [
    "held by another container",
    ["10.1.2.2"],
    /^10\.1\.2\.2, requested by CNI_ARGS IP, is held by container c1, interface eth0/,
  ],
  ["in no range", ["10.9.9.9"], /^10\.9\.9\.9.*in no range.*10\.1\.2\.1-10\.1\.2\.6, fd00::1-fd00::7/],
  ["the gateway", ["10.1.2.1"], /is the gateway of 10\.1\.2\.1-10\.1\.2\.6/],
  [
    "the second of one range set",
    ["10.1.2.4", "10.1.2.5"],
    /^10\.1\.2\.5.*range set 0, which gives 10\.1\.2\.4/,
  ],
];
for (const [name, ips, details] of refusals) {
  test(`a requested address that is ${name} is refused and nothing is reserved`, async () => {
    const network = makeNetwork(dual);
    await add(network.config, "c1");
    const before = leases(network);
    await expect(add(network.config, "c2", ips)).rejects.toEqual(unavailable(details));
    expect(leases(network)).toEqual(before);
  });
}

test("ADD uses the leases again that a crashed ADD left", async () => {
  const network = makeNetwork(dual);
  putFile(network, "10.1.2.4", "c1\r\neth0");
  expect(await add(network.config, "c1")).toEqual(["10.1.2.4/29", "fd00::2/125"]);
  expect(Object.keys(leases(network))).toEqual(["10.1.2.4", "fd00::2"]);
});

test("ADD releases leases of a crashed ADD that do not suit", async () => {
  const network = makeNetwork(small);
  for (const name of ["10.1.2.4", "10.1.2.5", "10.9.9.9", "10.1.2.1"]) putFile(network, name, "c1\r\neth0");
  expect(await add(network.config, "c1", ["10.1.2.5"])).toEqual(["10.1.2.5/29"]);
  expect(leases(network)).toEqual({ "10.1.2.5": "c1\r\neth0" });
});

test("ADD leaves leases of the container's other interfaces and of old versions alone", async () => {
  const network = makeNetwork(small);
  putFile(network, "10.1.2.2", "c1\r\neth1");
  putFile(network, "10.1.2.3", "c1");
  expect(await add(network.config, "c1")).toEqual(["10.1.2.4/29"]);
  expect(Object.keys(leases(network))).toEqual(["10.1.2.2", "10.1.2.3", "10.1.2.4"]);
});

test("a failing ADD keeps the leases it had found", async () => {
  const network = makeNetwork(dual);
  putFile(network, "10.1.2.4", "c1\r\neth0");
  mkdirSync(path.join(network.directory, "last_reserved_ip.1"));
  await expect(add(network.config, "c1")).rejects.toEqual(fault(ErrorCode.io, /last_reserved_ip\.1: EISDIR/));
  rmSync(path.join(network.directory, "last_reserved_ip.1"), { recursive: true });
  expect(leases(network)).toEqual({ "10.1.2.4": "c1\r\neth0" });
});

test("DEL succeeds any number of times, without a store, and after the ranges have changed", async () => {
  const network = makeNetwork(small);
  await del(network.config, "c1");
  expect(existsSync(network.directory)).toBe(false);
  await add(network.config, "c1");
  await add(network.config, "c2");
  const changed = networkConfig(network.dataDir, { subnet: "10.7.0.0/16", rangeStart: "nonsense" });
  await del(changed, "c1");
  await del(changed, "c1");
  expect(leases(network)).toEqual({ "10.1.2.3": "c2\r\neth0" });
});

test("DEL releases leases of the old format only if there are none of the new", async () => {
  const network = makeNetwork(small);
  putFile(network, "10.1.2.2", "c1\r\neth0");
  putFile(network, "10.1.2.3", "c1\n");
  await del(network.config, "c1");
  expect(Object.keys(leases(network))).toEqual(["10.1.2.3"]);
  await del(network.config, "c1");
  expect(Object.keys(leases(network))).toEqual([]);
});

test("CHECK wants a lease of the attachment or of its container in the old format", async () => {
  const network = makeNetwork(small);
  const check = () => hostLocal.check(makeRequest(network.config, "c1"));
  await expect(check()).rejects.toEqual(
    fault(ErrorCode.checkFailed, /container c1, interface eth0, in .*testnet/),
  );
  const file = putFile(network, "10.1.2.2", "c1\r\neth1");
  await expect(check()).rejects.toEqual(fault(ErrorCode.checkFailed, /Recreate the pod/));
  writeFileSync(file, "c1");
  await check();
  writeFileSync(file, "c1\r\neth0");
  await check();
});

test("GC releases what is not valid and nothing else", async () => {
  const network = makeNetwork(small);
  for (const id of ["c1", "c2", "c3"]) await add(network.config, id);
  putFile(network, "10.1.2.5", "c1\r\neth1");
  putFile(network, "10.1.2.6", "c1");
  putFile(network, "notes.txt", "c9\r\neth0");
  await gc(network, "c1", "c3");
  expect(Object.keys(leases(network))).toEqual(["10.1.2.2", "10.1.2.4", "10.1.2.6", "notes.txt"]);
  await gc(makeNetwork(small));
});

test("GC releases leases without a whole owner, and our temporary files, only when they are old", async () => {
  const network = makeNetwork(small);
  const names = ["10.1.2.2", "10.1.2.3", "10.1.2.4", "10.1.2.5", ".podwire-1-x"];
  const contents = ["", Buffer.from([0xff, 0xfe, 0]), "c9", "\r\neth0", "c9\r\neth0"];
  const files = names.map((name, i) => putFile(network, name, contents[i] ?? ""));
  for (const file of files) ago(file, 50);
  await gc(network);
  expect(Object.keys(leases(network))).toHaveLength(5);
  for (const file of files) ago(file, 70);
  await gc(network);
  expect(leases(network)).toEqual({});
});

test("GC leaves a lease alone that was made after the list of valid attachments", async () => {
  const network = makeNetwork(small);
  await add(network.config, "c1");
  await hostLocal.gc(makeRequest(network.config, ""), [], Date.now() - 1000);
  expect(Object.keys(leases(network))).toEqual(["10.1.2.2"]);
});

test("STATUS fails when a range set is exhausted or the store cannot be written", async () => {
  const network = makeNetwork({ subnet: "10.1.2.0/30" });
  const status = (config = network.config) => hostLocal.status(makeRequest(config, ""));
  await status();
  expect(readdirSync(network.directory)).toEqual([]);
  await add(network.config, "c1");
  await expect(status()).rejects.toEqual(
    fault(ErrorCode.unavailable, /10\.1\.2\.2 has 1 addresses, 1 in use/),
  );
  const blocked = makeNetwork(small);
  writeFileSync(blocked.directory, "");
  await expect(status(blocked.config)).rejects.toEqual(fault(ErrorCode.unavailable, /testnet.*ENOTDIR/));
});

test("a file in the place of the store fails ADD with its path, and DEL, GC and usage find nothing", async () => {
  const network = makeNetwork(small);
  writeFileSync(network.directory, "");
  await expect(add(network.config, "c1")).rejects.toEqual(
    fault(ErrorCode.io, /testnet.*ENOTDIR.*Remove the file/),
  );
  await del(network.config, "c1");
  await gc(network);
  expect(usage(network.config)[0]?.used).toBe(0);
});

test("a hostile store neither stops nor misleads any verb", async () => {
  const network = makeNetwork({ subnet: "10.1.2.0/28" });
  const outside = path.join(network.dataDir, "outside");
  writeFileSync(outside, "c1\r\neth0");
  putFile(network, "10.1.2.2", Buffer.alloc(1 << 20, "c1\r\neth0"));
  putFile(network, "10.1.2.3", Buffer.from([0xff, 0x0d, 0x0a, 0xc3]));
  mkdirSync(path.join(network.directory, "10.1.2.4"));
  symlinkSync(outside, path.join(network.directory, "10.1.2.5"));
  symlinkSync("/dev/zero", path.join(network.directory, "10.1.2.6"));
  await execa("mkfifo", [path.join(network.directory, "10.1.2.7")]);
  symlinkSync("/dev/zero", path.join(network.directory, "last_reserved_ip.0"));

  expect(await add(network.config, "c1")).toEqual(["10.1.2.8/28"]);
  await hostLocal.check(makeRequest(network.config, "c1"));
  await del(network.config, "c1");
  await gc(network);
  await hostLocal.status(makeRequest(network.config, ""));
  expect(usage(network.config)[0]?.used).toBe(6);
  expect(readdirSync(network.directory).filter((name) => name.startsWith("10."))).toHaveLength(6);
  expect(readFileSync(outside, "utf8")).toBe("c1\r\neth0");
  await expect(add(network.config, "c2", ["10.1.2.5"])).rejects.toEqual(unavailable(/no readable lease/));
});
