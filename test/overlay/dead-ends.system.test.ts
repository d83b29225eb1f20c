// Packets for addresses of a node's own prefixes that no pod has: they do not leave by the default route.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { addPod, type Cluster, type ClusterNode, type ClusterPod, declare, startCluster } from "./cluster.ts";

describe.each(["vxlan", "host-gw"])("with %s", (type) => {
  let cluster: Cluster;
  let node: ClusterNode;
  let other: ClusterNode;
  let far: ClusterPod;
  const overlay = () => ({
    type,
    peers: cluster.nodes.map(({ peer, address6 }) => ({ ...peer, address6 })),
  });
  beforeAll(async () => {
    cluster = await startCluster(2);
    [node, other] = cluster.nodes as [ClusterNode, ClusterNode];
    await node.run("ip", "-6", "route", "add", "default", "via", "2001:db8::fe", "dev", "eth0");
    [, far] = await Promise.all([addPod(node, overlay()), addPod(other, overlay())]);
  });
  afterAll(async () => cluster.stop());

  test.each(["10.244.1.250", "fd00:10:244:1::fa"])("a pod of another node is told so for %s", async (to) => {
    const { stdout } = await other.attempt("ip", [
      ...["netns", "exec", far.name, "ping", "-n", "-c", "1", "-W", "3", to],
    ]);
    expect(stdout).toMatch(/^From .*(Destination Host Unreachable|Destination unreachable)/m);
  });

  test("somebody else's route to the same prefix is better", async () => {
    await node.run(
      "sh",
      "-ec",
      `ip link add br0 type bridge; ip link set br0 up
      ip address add 10.244.1.254/24 dev br0; ip address add fd00:10:244:1::fe/64 dev br0 nodad`,
    );
    declare(node, overlay());
    const { exitCode, stdout } = await node.podwire("apply");
    expect({ exitCode, stdout }).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(/nothing to change/),
    });
    for (const to of ["10.244.1.9", "fd00:10:244:1::9"]) {
      expect(await node.run("ip", "route", "get", to)).toContain("dev br0");
    }
    await node.run("ip", "link", "delete", "br0");
  });

  test("one that was taken away is made again, and all go with the overlay", async () => {
    const own = async () => {
      const routes = await node.run(
        "sh",
        "-c",
        "ip route show type unreachable; ip -6 route show type unreachable",
      );
      return routes.split("\n").filter((line) => line.includes("proto 120"));
    };
    expect(await own()).toHaveLength(2);
    await node.run("ip", "route", "delete", "unreachable", "10.244.1.0/24");
    expect((await node.podwire("apply")).stdout).toMatch(/made unreachable route 10\.244\.1\.0\/24/);
    expect(await own()).toHaveLength(2);
    declare(node, { type: "none" });
    expect((await node.podwire("apply")).exitCode).toBe(0);
    expect(await own()).toEqual([]);
  });
});
