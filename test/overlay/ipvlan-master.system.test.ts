// host-gw with ipvlan l3s, where the link to the peers is not that of the default route: pods are on the former.
import { afterAll, beforeAll, expect, test } from "vitest";
import { cni } from "../fixture/calls.ts";
import { expectFailure } from "../fixture/failure.ts";
import { type Cluster, type ClusterNode, declare, entryFor, startCluster } from "./cluster.ts";

let cluster: Cluster;
let node: ClusterNode;
beforeAll(async () => {
  cluster = await startCluster(1);
  node = cluster.nodes[0] as ClusterNode;
  await node.run(
    "sh",
    "-ec",
    `ip link add eth1 type veth peer name eth1peer
    ip link set eth1peer up; ip link set eth1 up; ip address add 198.51.100.1/24 dev eth1`,
  );
});
afterAll(async () => cluster.stop());

const overlay = {
  type: "host-gw",
  peers: [
    { node: "n1", address: "198.51.100.1", podCIDRs: ["10.244.1.0/24"] },
    { node: "n2", address: "198.51.100.2", podCIDRs: ["10.244.2.0/24"] },
  ],
};

test("the master follows from the list of peers", async () => {
  declare(node, overlay, { datapath: "ipvlan" });
  const { exitCode, stderr } = await node.podwire("apply");
  expect(exitCode, stderr).toBe(0);
  const findings = JSON.parse((await node.podwire("doctor", "--json")).stdout) as { check: string }[];
  expect(findings.find(({ check }) => check === "ipvlan of network podnet")).toMatchObject({
    found: expect.stringContaining("mode l3s bridge on eth1"),
  });
});

test("another one is refused by ADD with the reason", async () => {
  await node.addPod("one");
  const entry = entryFor(node, overlay, { datapath: "ipvlan", ipvlan: { master: "eth0" } });
  const config = { cniVersion: "1.1.0", name: "podnet", ...entry };
  expectFailure(
    await cni(node, { verb: "ADD", config, container: "one" }),
    [7],
    /ipvlan\.master = "eth0" with overlay host-gw: .* by the underlay eth1/,
  );
});
