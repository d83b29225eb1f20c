// A node that learns its way out from a router of IPv6 (SLAAC): the kernel gives that up for links that forward, and podwire
// makes it forward.
import { afterEach, beforeEach, expect, test } from "vitest";
import { dualStackIpam, network, succeed } from "../fixture/calls.ts";
import { startNode, type TestNode } from "../fixture/node.ts";

let node: TestNode;
beforeEach(async () => {
  node = await startNode();
});
afterEach(async () => {
  await node.stop();
});

/** Type 134, a hop limit of 64, and half an hour to live as a router (RFC 4861, section 4.2). */
const advertisement = String.raw`\x86\0\0\0\x40\0\x07\x08\0\0\0\0\0\0\0\0`;

/** The kernel makes the checksum; 41 and 18 are IPV6_MULTICAST_HOPS, and receivers insist on 255. */
const advertise =
  `printf '${advertisement}' | ` +
  "socat -u - IP6-SENDTO:[ff02::1]:58,so-bindtodevice=node,setsockopt-int=41:18:255";

test("it keeps that way when the first pod of IPv6 comes, and goes on learning", async () => {
  const learnt = () => node.run("ip", "-6", "route", "show", "default", "proto", "ra");
  await node.run("bash", "-c", "echo 1 > /proc/sys/net/ipv6/conf/uplink/accept_ra");
  const sandbox = await node.addPod("pod1");
  const hear = async () => {
    // Nothing can be sent as long as the link has just come up.
    const told = async () => {
      await node.attempt("nsenter", ["--net=/run/netns/outside", "bash", "-c", advertise]);
      return learnt();
    };
    await expect.poll(told, { timeout: 20_000, interval: 200 }).toMatch(/dev uplink/);
  };
  await hear();
  const before = await learnt();
  await succeed(node, { verb: "ADD", config: network({ ipam: dualStackIpam }), netns: sandbox });
  expect(await node.run("cat", "/proc/sys/net/ipv6/conf/all/forwarding")).toBe("1");
  expect(withoutAge(await learnt())).toBe(withoutAge(before));
  await node.run("ip", "-6", "route", "flush", "proto", "ra");
  await hear();
});

function withoutAge(route: string): string {
  return route.replace(/expires \S+/, "").trim();
}
