// Nodes that routers know: by an address of lo, with routes to parts of their own subnet, with an MTU that was advertised.
import { describe, expect, test } from "vitest";
import { cni } from "../fixture/calls.ts";
import { addPod, declare, entryFor, podPrefixes } from "./cluster.ts";
import { loneNode } from "./lone-node.ts";
import { wrap } from "./wrapped-programs.ts";

const node = loneNode();

const peer = (number: number, address: string) => ({
  node: `n${number}`,
  address,
  podCIDRs: podPrefixes(number),
});
const routes = () => node().run("sh", "-c", "ip route show proto 120; ip -6 route show proto 120");

async function apply(overlay: object): Promise<string> {
  declare(node(), overlay);
  const { exitCode, stdout, stderr } = await node().podwire("apply");
  expect(exitCode, stderr).toBe(0);
  return stdout + stderr;
}

describe("a node that is known by an address of lo", () => {
  const peers = [peer(1, "10.0.0.1"), peer(2, "10.0.0.2")];

  test.each([
    ["by the list of peers", {}],
    ["by its configuration", { underlay: "10.0.0.1" }],
  ])("is told so %s, and goes out by the link of its default route", async (_, settings) => {
    await node().run("ip", "address", "add", "10.0.0.1/32", "dev", "lo");
    await node().run("ip", "link", "set", "eth0", "mtu", "1400");
    expect(await apply({ type: "vxlan", ...settings, peers })).toContain("MTU 1350");
    expect(await routes()).toMatch(/^10\.244\.2\.0\/24 +encap ip id 4096 src 10\.0\.0\.1 dst 10\.0\.0\.2/m);
    expect(await routes()).not.toMatch(/^10\.244\.1\.0\/24/m);
    expect(await node().run("ip", "-br", "address", "show", "pw-vxlan")).toContain("10.244.1.0/32");
  });

  test("needs a link to go out by", async () => {
    await node().run("ip", "address", "add", "10.0.0.1/32", "dev", "lo");
    await node().run("ip", "route", "delete", "default");
    declare(node(), { type: "vxlan", peers });
    expect((await node().podwire("apply")).stderr).toMatch(
      /lo leads to no other node, and the host has no default route/,
    );
    expect(await apply({ type: "vxlan", underlay: "eth0", peers })).toContain("MTU 1450");
  });
});

describe("a part of the subnet that is behind a router", () => {
  const peers = [peer(2, "192.0.2.200"), peer(3, "192.0.2.3")];

  test("is tunnelled to, and refused by host-gw", async () => {
    await node().run("ip", "route", "add", "192.0.2.128/25", "via", "192.0.2.254");
    await apply({ type: "vxlan", directRouting: true, peers });
    expect(await routes()).toMatch(/^10\.244\.2\.0\/24 +encap ip/m);
    expect(await routes()).toMatch(/^10\.244\.3\.0\/24 via 192\.0\.2\.3 dev eth0/m);
    declare(node(), { type: "host-gw", peers });
    expect((await node().podwire("apply")).stderr).toMatch(
      /peer n2: address 192\.0\.2\.200 is not on the link eth0/,
    );
  });
});

test("another link of the same subnet does not matter, even if the kernel prefers it", async () => {
  await node().run(
    "sh",
    "-ec",
    `ip link add eth1 type veth peer name far1; ip link set far1 up; ip link set eth1 up
    ip address add 192.0.2.9/24 dev eth1 noprefixroute; ip route change 192.0.2.0/24 dev eth0 metric 10 || true
    ip route replace 192.0.2.0/24 dev eth1`,
  );
  expect(await node().run("ip", "route", "get", "192.0.2.3")).toContain("dev eth1");
  await apply({
    type: "host-gw",
    underlay: "eth0",
    peers: [{ ...peer(3, "192.0.2.3"), podCIDRs: ["10.244.3.0/24"] }],
  });
  expect(await routes()).toMatch(/^10\.244\.3\.0\/24 via 192\.0\.2\.3 dev eth0/m);
});

test("over IPv6 the MTU is what a router advertised, if that is less", async () => {
  await node().run("sh", "-c", "echo 1400 > /proc/sys/net/ipv6/conf/eth0/mtu");
  expect(await apply({ type: "vxlan", peers: [peer(2, "2001:db8::2")] })).toContain("MTU 1330");
});

test("a list that says other pods of this node than it has is told of", async () => {
  const other = { ...peer(1, "192.0.2.1"), podCIDRs: ["10.244.7.0/24"] };
  expect(await apply({ type: "vxlan", peers: [other, peer(2, "192.0.2.2")] })).toMatch(
    /hands out 10\.244\.1\.0\/24, which its own entry in the list of peers \(n1\) lacks/,
  );
});

describe("a list of peers of which one cannot be had", () => {
  const peersFile = "/etc/podwire/peers.json";
  const overlay = { type: "host-gw", peersFile };
  const ipv4 = (number: number, address: string) => ({
    ...peer(number, address),
    podCIDRs: [`10.244.${number}.0/24`],
  });
  const list = (...peers: object[]) => node().write(peersFile, JSON.stringify(peers));

  test("because of its address is refused by its name, and keeps no pod from being added", async () => {
    list(ipv4(2, "192.0.2.2"));
    await addPod(node(), overlay, "one");
    list(ipv4(2, "192.0.2.2"), ipv4(3, "192.0.2.255"));
    const before = await routes();
    declare(node(), overlay);
    expect((await node().podwire("apply")).stderr).toMatch(
      /address 192\.0\.2\.255 of peer n3 is the first or last of 192\.0\.2\.0\/24, the subnet of eth0/,
    );
    await addPod(node(), overlay, "two");
    expect(await routes()).toBe(before);
  });

  test("because the kernel refuses it keeps no pod from being added, until it is corrected", async () => {
    list(ipv4(2, "192.0.2.2"));
    await addPod(node(), overlay, "one");
    list(ipv4(2, "192.0.2.2"), ipv4(3, "192.0.2.3"));
    const before = await routes();
    const script = `case "$input" in *10.244.3.0/24*) echo "Error: Nexthop has invalid gateway.\nCommand failed -:1" >&2; exit 1;; esac; real "$@"`;
    const env = wrap(node(), "ip", script);
    for (const name of ["two", "three"]) {
      await node().addPod(name);
      const config = { cniVersion: "1.1.0", name: "podnet", ...entryFor(node(), overlay) };
      const { exitCode, stdout, stderr } = await cni(node(), { verb: "ADD", config, container: name, env });
      expect(exitCode, stdout).toBe(0);
      expect(stderr).toMatch(/the overlay stays as it was applied last: .*Nexthop has invalid gateway/);
      expect(await routes()).toBe(before);
    }
    await addPod(node(), overlay, "four");
    expect(await routes()).toMatch(/^10\.244\.3\.0\/24 via 192\.0\.2\.3/m);
  });
});
