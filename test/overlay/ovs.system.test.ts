// Overlays where pods are ports of Open vSwitch in userspace, which this kernel has: by the host's routes, and no tunnel.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { cni } from "../fixture/calls.ts";
import { hasOpenVswitch, type OpenVswitch, startOpenVswitch } from "../fixture/open-vswitch.ts";
import {
  addPod,
  type Cluster,
  type ClusterNode,
  declare,
  entryFor,
  ping,
  startCluster,
  transfer,
} from "./cluster.ts";

const netdev = { datapath: "ovs", ovs: { datapathType: "netdev" } };

describe.skipIf(!hasOpenVswitch)("with Open vSwitch in userspace", () => {
  let cluster: Cluster;
  let node: ClusterNode;
  let other: ClusterNode;
  let ovs: OpenVswitch;
  beforeEach(async () => {
    cluster = await startCluster(2);
    [node, other] = cluster.nodes as [ClusterNode, ClusterNode];
    ovs = await startOpenVswitch(node);
  });
  afterEach(async () => cluster.stop());

  const peers = () => cluster.nodes.map(({ peer, address6 }) => ({ ...peer, address6 }));

  test("pods reach those of other nodes by host-gw", async () => {
    const overlay = { type: "host-gw", peers: peers() };
    const one = await addPod(node, overlay, "one", netdev);
    const two = await addPod(other, overlay, "two");
    for (const to of [two.ipv4, two.ipv6]) await ping(one, to);
    for (const to of [one.ipv4, one.ipv6]) await ping(two, to);
    expect(await transfer(one, two, 4, 8)).toBe(8);
    expect(await transfer(two, one, 6, 8)).toBe(8);
  });

  test("a tunnel is refused before anything is made, also where the bridge is found so", async () => {
    const overlay = { type: "vxlan", peers: peers() };
    await node.run(
      "ovs-vsctl",
      "add-br",
      "podwire0",
      "--",
      "set",
      "Bridge",
      "podwire0",
      "datapath_type=netdev",
    );
    await node.addPod("one");
    for (const changes of [netdev, { datapath: "ovs" }]) {
      const config = { cniVersion: "1.1.0", name: "podnet", ...entryFor(node, overlay, changes) };
      const { json } = await cni(node, { verb: "ADD", config, container: "one" });
      expect(json).toMatchObject({ code: 7, details: expect.stringMatching(/userspace.*host-gw/) });
    }
    declare(node, overlay, { datapath: "ovs" });
    const { exitCode, stderr } = await node.podwire("apply");
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(/userspace/) });
    expect(await node.run("ovs-vsctl", "list-ports", "podwire0")).toBe("");
  });

  test("the kernel's tunnel goes on where ovs-vswitchd, which is to have it, does not run", async () => {
    const overlay = { type: "vxlan", peers: peers() };
    const one = await addPod(node, overlay, "one");
    const two = await addPod(other, overlay, "two");
    const number = async () => /^[0-9]+/.exec(await node.run("ip", "-o", "link", "show", "pw-vxlan"))?.[0];
    const before = await number();
    await ovs.end("ovs-vswitchd", "SIGKILL");
    declare(node, overlay, { datapath: "ovs" });
    const { exitCode, stderr } = await node.podwire("apply");
    expect({ exitCode, stderr }).toMatchObject({
      exitCode: 1,
      stderr: expect.stringMatching(/vSwitch is down/),
    });
    expect(await number(), "the device was never away").toBe(before);
    await ping(one, two.ipv4);
  });

  test("overlay none leaves no flow of it on a bridge of others, and no word that it was there", async () => {
    const flow = (cookie: string, port: number) =>
      `ovs-ofctl add-flow switch0 cookie=${cookie},priority=7,udp,tp_dst=${port},actions=drop`;
    const script = `
      ovs-vsctl add-br switch0 -- set Bridge switch0 datapath_type=netdev
      ${flow("0x7077000000000001", 1)}; ${flow("0x12", 2)}
      mkdir -p /run/podwire
      echo '{"database":"unix:/var/run/openvswitch/db.sock","bridge":"switch0"}' > /run/podwire/overlay-bridge`;
    await node.run("sh", "-ec", script);
    declare(node, { type: "none" });
    const { exitCode, stderr } = await node.podwire("apply");
    expect(exitCode, stderr).toBe(0);
    const flows = await node.run("ovs-ofctl", "dump-flows", "switch0");
    expect(flows).toMatch(/tp_dst=2 /);
    expect(flows).not.toMatch(/cookie=0x7077/);
    expect(await node.run("ls", "/run/podwire")).not.toMatch(/overlay-bridge/);
  });
});
