// Tunnels with less than IPv6's least MTU (1280): for IPv4 alone they work, with IPv6 they are refused.
import { expect, test } from "vitest";
import { addPod, declare } from "./cluster.ts";
import { loneNode } from "./lone-node.ts";

const node = loneNode();

const ipv4 = { node: "n2", address: "192.0.2.2", podCIDRs: ["10.244.2.0/24"] };
const dual = { ...ipv4, podCIDRs: [...ipv4.podCIDRs, "fd00:10:244:2::/64"] };
const ofIpv4 = {
  ipam: { type: "host-local", ranges: [[{ subnet: "10.244.1.0/24" }]], routes: [{ dst: "0.0.0.0/0" }] },
};

test("a configured one is applied", async () => {
  declare(node(), { type: "vxlan", mtu: 1200, peers: [ipv4] }, ofIpv4);
  const { exitCode, stdout, stderr } = await node().podwire("apply");
  expect(exitCode, stderr).toBe(0);
  expect(stdout).toContain("overlay vxlan, MTU 1200");
  expect(await node().run("ip", "link", "show", "pw-vxlan")).toMatch(/<[^>]*\bUP\b.*mtu 1200/);
  expect((await node().podwire("apply")).stdout).toContain("nothing to change");
});

test("an underlay that has less for a while keeps no pod from being added", async () => {
  const overlay = { type: "vxlan", peers: [ipv4] };
  await addPod(node(), overlay, "one", ofIpv4);
  await node().run("ip", "link", "set", "eth0", "mtu", "1300");
  expect((await addPod(node(), overlay, "two", ofIpv4)).mtu).toBe(1250);
  await node().run("ip", "link", "set", "eth0", "mtu", "1500");
  expect((await addPod(node(), overlay, "three", ofIpv4)).mtu).toBe(1450);
});

test("pods of a peer that need more are named, not the kernel's refusal", async () => {
  declare(node(), { type: "vxlan", mtu: 1200, peers: [dual] }, ofIpv4);
  const { exitCode, stderr } = await node().podwire("apply");
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(
    /overlay\.mtu = 1200; IPv6 needs at least 1280, and pods of this node or of its peers have it/,
  );
});
