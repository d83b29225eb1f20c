// Outer UDP headers without checksums: over IPv6 a device takes such packets only if it was made so.
import { afterEach, beforeEach, expect, test } from "vitest";
import { addPod, type Cluster, type ClusterNode, declare, ping, startCluster } from "./cluster.ts";

let cluster: Cluster;
let node: ClusterNode;
let other: ClusterNode;
beforeEach(async () => {
  cluster = await startCluster(2, { family: 6 });
  [node, other] = cluster.nodes as [ClusterNode, ClusterNode];
});
afterEach(async () => cluster.stop());

const overlay = (udpcsum: boolean) => ({ type: "vxlan", udpcsum, peers: [node.peer, other.peer] });
const isMadeSo = async () =>
  (await node.run("ip", "-d", "link", "show", "pw-vxlan")).includes(" udp6zerocsumrx");

test("pods reach each other over IPv6 without checksums", async () => {
  const one = await addPod(node, overlay(false));
  const two = await addPod(other, overlay(false));
  await ping(one, two.ipv4);
  await ping(two, one.ipv6);
});

test("a device that was made otherwise is made anew where it matters, and stays where it does not", async () => {
  declare(node, overlay(true));
  await node.podwire("apply");
  const link = (await node.run("ip", "-br", "link", "show", "pw-vxlan")).split(/ +/);
  await node.run(
    "sh",
    "-ec",
    `ip link delete pw-vxlan
    ip link add pw-vxlan mtu 1430 address ${link[2]} type vxlan external dstport 4789`,
  );
  for (const udpcsum of [true, false]) {
    declare(node, overlay(udpcsum));
    expect((await node.podwire("apply")).exitCode).toBe(0);
    expect(await isMadeSo()).toBe(!udpcsum);
  }
});
