// What doctor says of the kernel's room for neighbours.
import { expect, test } from "vitest";
import { parseIp } from "../../src/address/ip.ts";
import { checkNeighbours } from "../../src/cli/doctor/neighbours.ts";
import type { Peer } from "../../src/overlay/overlay.ts";

const local = parseIp("192.0.2.1") as Peer["address"];
const underlay = { link: "eth0", mtu: 1500, local };
const peers = (count: number, onLink: boolean) =>
  Array.from({ length: count }, (_, index): Peer => {
    const address = parseIp(`10.${index >> 8}.${index & 255}.1`) as Peer["address"];
    return { node: `n${index}`, address, addressText: "", prefixes: [], onLink };
  });
const found = (count: number, onLink: boolean, limit: string | undefined) =>
  checkNeighbours({ peers: peers(count, onLink), underlay }, (key) =>
    key.includes("ipv4") ? limit : "1024",
  );

test("more peers on the link than the kernel keeps are told of", () => {
  expect(found(1024, true, "1024")).toMatchObject([
    {
      level: "warning",
      check: "sysctl net.ipv4.neigh.default.gc_thresh3",
      found: "1024, and 1024 peers are on the link eth0",
    },
  ]);
});

test("fewer, or peers behind routers, are not, nor where the limit cannot be seen", () => {
  expect(found(1023, true, "1024")).toEqual([]);
  expect(found(5000, false, "1024")).toEqual([]);
  expect(found(5000, true, undefined)).toEqual([]);
});
