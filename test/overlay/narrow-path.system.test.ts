// `podwire doctor --probe` where a router complains that a packet is too large: the kernel then sends in fragments what it sent whole
// before, and those are answered.
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Cluster, type ClusterNode, declare, startCluster } from "./cluster.ts";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await startCluster(3);
});
afterAll(async () => cluster.stop());

test("says that the MTU is too small, the first time and afterwards", async () => {
  const [node, other, router] = cluster.nodes as [ClusterNode, ClusterNode, ClusterNode];
  const peers = [node, other].map(({ peer, address, address6 }) => ({ ...peer, address, address6 }));
  for (const each of [node, other]) {
    declare(each, { type: "vxlan", peers });
    await each.podwire("apply");
  }
  await router.run(
    "sh",
    "-ec",
    `echo 1 > /proc/sys/net/ipv4/ip_forward
    for link in all eth0; do echo 0 > /proc/sys/net/ipv4/conf/$link/send_redirects; done
    ip route add ${other.address}/32 dev eth0 mtu lock 1400`,
  );
  await node.run("ip", "route", "add", `${other.address}/32`, "via", router.address);
  for (let time = 1; time <= 2; time++) {
    const { stdout } = await node.podwire("doctor", "--probe", other.address);
    expect(stdout).toContain("MTU too small: of the 1500 bytes of eth0 only about 1400 arrive");
  }
});
