// One node with pods of Open vSwitch in the kernel: VLANs and limits by real packets, and daemons that end or are replaced while
// pods talk.
import { beforeAll, describe, expect, test } from "vitest";
import type { Conflist } from "../../fixture/conflist.ts";
import { leftOvers } from "../fixture/ipvlan.ts";
import { testedKernels } from "../fixture/kernels.ts";
import { begin, end, kill, reload, startOpenVswitch } from "../fixture/open-vswitch.ts";
import { conflistFor, type Pod, pod } from "../fixture/pod.ts";
import { cannotRunFullLab, sharedLab } from "../fixture/shared-lab.ts";
import { iperf3, ping, transfer } from "../fixture/traffic.ts";
import type { Endpoint, LabNode } from "../machine/node.ts";

const network = (node: LabNode, ovs: object = {}, changes: object = {}): Conflist =>
  conflistFor(node, { datapath: "ovs", ovs, ...changes });

async function reach(from: Endpoint, to: Endpoint): Promise<void> {
  for (const family of [4, 6] as const) await ping(from, to, { family, count: 1 });
}

describe.skipIf(cannotRunFullLab("Open vSwitch on one node")).each(testedKernels)(
  "on kernel %s",
  (kernel) => {
    const lab = sharedLab({ kernel });
    beforeAll(() => startOpenVswitch(lab.node1), 300_000);

    const expectNothingLeft = async () => {
      const { node1 } = lab;
      expect([await leftOvers(node1), await node1.sh("ovs-vsctl list-br")].join("").trim()).toBe("");
    };

    test.each(["veth", "internal"])(
      "pods of VLANs (%s ports) reach each other, those of others by the host alone, whose link goes with the last",
      async (portType) => {
        const { node1, node2 } = lab;
        const inVlan = (vlan: number) => pod(node1, network(node1, { portType, vlan }, { ipMasq: true }));
        const [one, beside, other] = [await inVlan(10), await inVlan(10), await inVlan(20)];
        const untagged = await pod(node1, network(node1, { portType }, { ipMasq: true }));
        const all = [one, beside, other, untagged];
        for (const each of all) {
          await each.check();
          await reach(node1, each);
          await reach(each, node1);
          await reach(each, node2);
        }
        await reach(one, beside);
        await reach(one, other);
        await reach(other, untagged);
        await transfer(one, other, 5);
        await transfer(untagged, beside, 5, 6);
        const ttl = async (to: Endpoint) => /ttl=([0-9]+)/.exec(await one.sh(`ping -c 1 ${to.address}`))?.[1];
        expect([await ttl(beside), await ttl(other)]).toEqual(["64", "63"]);
        const vlanLinks = () => node1.sh("ip -brief link show | grep -c '^pwv' || true");
        expect(await vlanLinks()).toBe("2");
        await other.remove();
        expect(await vlanLinks()).toBe("1");
        for (const each of [one, beside, untagged]) await each.remove();
        await expectNothingLeft();
      },
    );

    test("a pod sends no more than ovs.ingress lets it, and gets what comes", async () => {
      const { node1 } = lab;
      const limited = await pod(node1, network(node1, { ingress: { rate: 20_000, burst: 4000 } }));
      const free = await pod(node1, network(node1));
      await limited.check();
      const sent = await iperf3(limited, node1, { seconds: 5 });
      expect(sent.mbitPerSecond).toBeGreaterThan(5);
      expect(sent.mbitPerSecond).toBeLessThan(25);
      const got = await iperf3(limited, node1, { seconds: 3, reverse: true });
      const others = await iperf3(free, node1, { seconds: 3 });
      expect(Math.min(got.mbitPerSecond, others.mbitPerSecond)).toBeGreaterThan(60);
      for (const each of [limited, free]) await each.remove();
      await expectNothingLeft();
    });

    const losses: Readonly<Record<string, (node: LabNode) => Promise<void>>> = {
      "the database was killed and started": async (node) => {
        await kill(node, "ovsdb-server");
        await begin(node, "ovsdb-server");
      },
      "both daemons were killed and started": async (node) => {
        await kill(node, "ovs-vswitchd");
        await kill(node, "ovsdb-server");
        await begin(node, "ovsdb-server");
        await begin(node, "ovs-vswitchd");
      },
      "the switch was stopped and started": async (node) => {
        await end(node, "ovs-vswitchd");
        await begin(node, "ovs-vswitchd");
      },
      "the switch was replaced as by an upgrade": reload,
    };

    describe.each(["veth", "internal"])("pods of %s ports", (portType) => {
      test.each(Object.keys(losses))("are all right with the next verb after %s", async (name) => {
        const { node1 } = lab;
        const conflist = network(node1, { portType }, { ipMasq: true });
        const [one, beside] = [await pod(node1, conflist), await pod(node1, conflist)];
        await reach(one, beside);
        await losses[name]?.(node1);
        const next: Pod = await pod(node1, conflist);
        for (const each of [one, beside, next]) await each.check();
        await reach(one, beside);
        await reach(next, one);
        await reach(node1, beside);
        await reach(beside, node1);
        for (const each of [one, beside, next]) await each.remove();
        await expectNothingLeft();
      });
    });
  },
);
