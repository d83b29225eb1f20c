// Pods of three nodes by every overlay and datapath that go together: who reaches whom, large transfers in both directions, and that
// overlay none leaves nothing.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isFull, testedKernels } from "../fixture/kernels.ts";
import { startOpenVswitch } from "../fixture/open-vswitch.ts";
import { type LabOverlay, overlayNetwork, withdraw } from "../fixture/overlay.ts";
import { type Pod, pod } from "../fixture/pod.ts";
import { cannotRunLab, sharedLab } from "../fixture/shared-lab.ts";
import { ping, transfer } from "../fixture/traffic.ts";
import { loadModule } from "../stt/tunnel.ts";

interface Case extends LabOverlay {
  readonly name: string;
  readonly mtu: number;
  /** Also run where not all is. */
  readonly quick?: boolean;
}

const ipvlan = (mode: string) => ({ datapath: "ipvlan", ipvlan: { mode } });

const ovs = (settings: Readonly<Record<string, string>> = {}) => ({ datapath: "ovs", ovs: settings });

const cases: readonly Case[] = [
  { name: "geneve, veth", type: "geneve", mtu: 1450, quick: true },
  { name: "geneve over IPv6, veth", type: "geneve", underlayFamily: 6, mtu: 1430 },
  { name: "vxlan, veth", type: "vxlan", mtu: 1450 },
  { name: "vxlan over IPv6, veth", type: "vxlan", underlayFamily: 6, mtu: 1430 },
  { name: "host-gw, veth", type: "host-gw", mtu: 1500 },
  { name: "host-gw, ipvlan l3s", type: "host-gw", mtu: 1500, network: ipvlan("l3s"), quick: true },
  { name: "host-gw, ipvlan l3", type: "host-gw", mtu: 1500, network: ipvlan("l3") },
  { name: "host-gw, ipvlan l2", type: "host-gw", mtu: 1500, network: ipvlan("l2") },
  { name: "vxlan, ipvlan l2", type: "vxlan", mtu: 1450, network: ipvlan("l2") },
  {
    name: "geneve over IPv6, ipvlan l2",
    type: "geneve",
    underlayFamily: 6,
    mtu: 1430,
    network: ipvlan("l2"),
  },
  { name: "vxlan, ipvlan l3s on the device", type: "vxlan", mtu: 1450, network: ipvlan("l3s") },
  { name: "vxlan, ipvlan l3 on the device", type: "vxlan", mtu: 1450, network: ipvlan("l3") },
  { name: "geneve, ipvlan l3 on the device", type: "geneve", mtu: 1450, network: ipvlan("l3") },
  { name: "geneve, ipvlan l3s on the device", type: "geneve", mtu: 1450, network: ipvlan("l3s") },
  { name: "stt, veth", type: "stt", mtu: 1428, quick: true },
  { name: "stt over IPv6, veth", type: "stt", underlayFamily: 6, mtu: 1408 },
  { name: "stt with a larger MTU than the path's, veth", type: "stt", mtu: 9000, overlay: { mtu: 9000 } },
  { name: "stt, ipvlan l3s on the device", type: "stt", mtu: 1428, network: ipvlan("l3s") },
  { name: "stt, ipvlan l3 on the device", type: "stt", mtu: 1428, network: ipvlan("l3") },
  { name: "stt, ipvlan l2 by way of the host", type: "stt", mtu: 1428, network: ipvlan("l2") },
  {
    name: "stt over IPv6, ipvlan l3s on the device",
    type: "stt",
    underlayFamily: 6,
    mtu: 1408,
    network: ipvlan("l3s"),
  },
  // Last: its module tracks the connections of the whole guest.
  { name: "stt, ovs", type: "stt", mtu: 1428, network: ovs() },
  { name: "stt, internal ports of ovs", type: "stt", mtu: 1428, network: ovs({ portType: "internal" }) },
  { name: "stt, ovs in userspace", type: "stt", mtu: 1428, network: ovs({ datapathType: "netdev" }) },
  { name: "stt over IPv6, ovs", type: "stt", underlayFamily: 6, mtu: 1408, network: ovs() },
];

const tested = cases.filter(({ quick }) => isFull || quick === true);

describe.skipIf(cannotRunLab("overlays")).each(testedKernels)("overlays on kernel %s", (kernel) => {
  const lab = sharedLab({ nodes: 3, kernel });
  beforeAll(() => loadModule(lab), 600_000);

  describe.each(tested)("$name", (overlay) => {
    let pods: readonly Pod[];
    beforeAll(async () => {
      if (overlay.network?.["datapath"] === "ovs") await Promise.all(lab.nodes.map(startOpenVswitch));
      pods = await Promise.all(lab.nodes.map((node) => pod(node, overlayNetwork(lab, node, overlay))));
    }, 300_000);
    afterAll(async () => {
      for (const each of pods) await each.remove();
      expect(await Promise.all(lab.nodes.map(withdraw))).toEqual(lab.nodes.map(() => ""));
    });
    const [one, other] = [() => pods[0] as Pod, () => pods.at(-1) as Pod];

    test("pods of all nodes reach each other by both families", async () => {
      for (const from of pods) {
        for (const to of pods.filter((pod) => pod !== from)) {
          await ping(from, to, { count: 1 });
          await ping(from, to, { count: 1, family: 6 });
        }
      }
    });

    test("as large a packet as the MTU passes, and large transfers arrive whole", async () => {
      const size = overlay.mtu - 28;
      await ping(one(), other(), { count: 1, size, dontFragment: true });
      await transfer(one(), other(), 20);
      await transfer(other(), one(), 20);
      await transfer(one(), other(), 20, 6);
      await transfer(other(), one(), 20, 6);
    });
  });
});
