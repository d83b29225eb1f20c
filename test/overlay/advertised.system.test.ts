// A node that learns its own way out from a router of IPv6, whenever that is heard, although an overlay makes it forward.
import { afterEach, beforeEach, expect, test } from "vitest";
import { advertisingLine } from "../fixture/advertise.ts";
import { type Cluster, type ClusterNode, declare, startCluster } from "./cluster.ts";
import { eventually, watch } from "./watching.ts";

let cluster: Cluster;
let node: ClusterNode;
beforeEach(async () => {
  cluster = await startCluster(2);
  node = cluster.nodes[0] as ClusterNode;
  await node.run("bash", "-c", `echo 1 > ${acceptRa}`);
});
afterEach(async () => cluster.stop());

const acceptRa = "/proc/sys/net/ipv6/conf/eth0/accept_ra";

const peers = () => cluster.nodes.map(({ peer, address6 }) => ({ ...peer, address6 }));

async function hear(): Promise<void> {
  const told = async () => {
    await cluster.underlay.attempt("bash", ["-c", advertisingLine("switch")]);
    return node.run("ip", "-6", "route", "show", "default", "proto", "ra");
  };
  await expect.poll(told, { timeout: 20_000, interval: 200 }).toMatch(/dev eth0/);
}

test.each(["vxlan", "host-gw"])(
  "with %s it hears one after podwire apply, and again when its link was told not to",
  async (type) => {
    declare(node, { type, peers: peers() });
    expect((await node.podwire("apply")).exitCode).toBe(0);
    await hear();
    await node.run("ip", "-6", "route", "flush", "proto", "ra");
    const watching = await watch(node);
    try {
      await node.run("bash", "-c", `echo 1 > ${acceptRa}`);
      await eventually(async () => expect(await node.run("cat", acceptRa)).toBe("2"));
      await hear();
    } finally {
      await watching.stop();
    }
  },
);

test.each([
  ["is to hear no routers", "0", `echo 0 > ${acceptRa}`],
  ["hears none because the host forwards already", "1", "echo 1 > /proc/sys/net/ipv6/conf/all/forwarding"],
])("an underlay that %s stays so", async (_, value, script) => {
  await node.run("bash", "-c", script);
  declare(node, { type: "vxlan", peers: peers() });
  expect((await node.podwire("apply")).exitCode).toBe(0);
  expect(await node.run("cat", acceptRa)).toBe(value);
});
