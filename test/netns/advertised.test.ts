// A node that learns its way out from a router of IPv6 (SLAAC): the kernel gives that up for links that forward, and podwire
// makes it forward.
import { afterEach, beforeEach, expect, test } from "vitest";
import { advertisingLine } from "../fixture/advertise.ts";
import { dualStackIpam, network, succeed } from "../fixture/calls.ts";
import { startNode, type TestNode } from "../fixture/node.ts";

let node: TestNode;
beforeEach(async () => {
  node = await startNode();
});
afterEach(async () => {
  await node.stop();
});

const learnt = () => node.run("ip", "-6", "route", "show", "default", "proto", "ra");

/** Nothing can be sent as long as the link has just come up. */
async function hear(): Promise<void> {
  const told = async () => {
    await node.attempt("nsenter", ["--net=/run/netns/outside", "bash", "-c", advertisingLine("node")]);
    return learnt();
  };
  await expect.poll(told, { timeout: 20_000, interval: 200 }).toMatch(/dev uplink/);
}

test("it keeps that way when the first pod of IPv6 comes, and goes on learning", async () => {
  await node.run("bash", "-c", "echo 1 > /proc/sys/net/ipv6/conf/uplink/accept_ra");
  const sandbox = await node.addPod("pod1");
  await hear();
  const before = await learnt();
  await succeed(node, { verb: "ADD", config: network({ ipam: dualStackIpam }), netns: sandbox });
  expect(await node.run("cat", "/proc/sys/net/ipv6/conf/all/forwarding")).toBe("1");
  expect(withoutAge(await learnt())).toBe(withoutAge(before));
  await node.run("ip", "-6", "route", "flush", "proto", "ra");
  await hear();
});

test("it learns that way also if the router is heard after the first pod", async () => {
  await node.run("bash", "-c", "echo 1 > /proc/sys/net/ipv6/conf/uplink/accept_ra");
  const sandbox = await node.addPod("pod1");
  await succeed(node, { verb: "ADD", config: network({ ipam: dualStackIpam }), netns: sandbox });
  await hear();
});

test("it may be renamed while pods are there", async () => {
  await node.run("bash", "-c", "echo 1 > /proc/sys/net/ipv6/conf/uplink/accept_ra");
  await hear();
  const call = {
    container: "pod1",
    config: network({ ipam: dualStackIpam }),
    netns: await node.addPod("pod1"),
  };
  const prevResult = (await succeed(node, { verb: "ADD", ...call })).json;
  const check = () => succeed(node, { verb: "CHECK", ...call, config: { ...call.config, prevResult } });
  await check();
  const setName = (from: string, to: string) =>
    node.run(
      "sh",
      "-c",
      `ip link set ${from} down && ip link set ${from} name ${to} && ip link set ${to} up`,
    );
  await setName("uplink", "other");
  await check();
  await setName("other", "uplink");
});

function withoutAge(route: string): string {
  return route.replace(/expires \S+/, "").trim();
}
