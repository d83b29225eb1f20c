// Overlays on bridges of Open vSwitch: pods of three nodes on 6.1, of two on each other kernel, also
// where another node has the kernel's own tunnel device; and what can go wrong with a tunnel that daemons keep.
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import type { Conflist } from "../../fixture/conflist.ts";
import { callOnce } from "../fixture/ipvlan.ts";
import { startKeeper, twoSecondsOf } from "../fixture/keeper.ts";
import { testedKernels } from "../fixture/kernels.ts";
import { begin, kill, startOpenVswitch } from "../fixture/open-vswitch.ts";
import { install, type LabOverlay, overlayNetwork, withdraw } from "../fixture/overlay.ts";
import { type Pod, pod } from "../fixture/pod.ts";
import { answers, server, withService } from "../fixture/service.ts";
import { cannotRunFullLab, sharedLab } from "../fixture/shared-lab.ts";
import { ping, transfer, withServer } from "../fixture/traffic.ts";
import type { Endpoint, LabNode } from "../machine/node.ts";

interface Case extends LabOverlay {
  readonly name: string;
  readonly mtu: number;
  /** node1 has veth, and with it the kernel's device. */
  readonly isMixed?: boolean;
  readonly ovs?: Readonly<Record<string, string>>;
}

const cases: readonly Case[] = [
  { name: "vxlan, ovs", type: "vxlan", mtu: 1450 },
  { name: "geneve, ovs", type: "geneve", mtu: 1450 },
  { name: "host-gw, ovs", type: "host-gw", mtu: 1500 },
  { name: "geneve over IPv6, ovs", type: "geneve", underlayFamily: 6, mtu: 1430 },
  { name: "vxlan over IPv6, ovs", type: "vxlan", underlayFamily: 6, mtu: 1430 },
  { name: "vxlan, internal ports of ovs", type: "vxlan", mtu: 1450, ovs: { portType: "internal" } },
  { name: "geneve, internal ports of ovs", type: "geneve", mtu: 1450, ovs: { portType: "internal" } },
  { name: "host-gw, internal ports of ovs", type: "host-gw", mtu: 1500, ovs: { portType: "internal" } },
  { name: "host-gw, ovs in userspace", type: "host-gw", mtu: 1500, ovs: { datapathType: "netdev" } },
  { name: "vxlan, veth and ovs", type: "vxlan", mtu: 1450, isMixed: true },
  { name: "geneve, veth and ovs", type: "geneve", mtu: 1450, isMixed: true },
  { name: "vxlan over IPv6, veth and ovs", type: "vxlan", underlayFamily: 6, mtu: 1430, isMixed: true },
];

const families = [4, 6] as const;
const ovs = { datapath: "ovs", ipMasq: true };

async function reach(from: Endpoint, to: Endpoint): Promise<void> {
  for (const family of families) await ping(from, to, { family, count: 1 });
}

describe.skipIf(cannotRunFullLab("overlays with Open vSwitch")).each(testedKernels)(
  "on kernel %s",
  (kernel) => {
    const lab = sharedLab({ nodes: kernel === "6.1" ? 3 : 2, kernel });
    beforeAll(async () => {
      for (const node of lab.nodes) await startOpenVswitch(node);
    }, 300_000);
    const withdrawn = async () =>
      expect(await Promise.all(lab.nodes.map(withdraw))).toEqual(lab.nodes.map(() => ""));

    describe.each(cases)("$name", (overlay) => {
      let pods: readonly Pod[];
      const networkOf = (node: LabNode) =>
        overlayNetwork(lab, node, {
          ...overlay,
          network:
            overlay.isMixed && node.number === 1 ? { datapath: "veth" } : { ...ovs, ovs: overlay.ovs ?? {} },
        });
      beforeAll(async () => {
        pods = await Promise.all(lab.nodes.map((node) => pod(node, networkOf(node))));
      }, 300_000);
      afterAll(async () => {
        for (const each of pods) await each.remove();
        await withdrawn();
      });
      const [one, other] = [() => pods[0] as Pod, () => pods.at(-1) as Pod];

      test("pods and hosts of all nodes reach each other's pods by both families", async () => {
        for (const to of pods) {
          for (const from of pods) if (from !== to) await reach(from, to);
          for (const node of lab.nodes) if (node !== to.node) await reach(node, to);
        }
      });

      test("as large a packet as the MTU passes, and large transfers arrive whole", async () => {
        await ping(one(), other(), { count: 1, size: overlay.mtu - 28, dontFragment: true });
        for (const family of families) {
          await transfer(one(), other(), 20, family);
          await transfer(other(), one(), 20, family);
        }
      });
    });

    describe("vxlan with node2 on Open vSwitch", () => {
      const overlay: LabOverlay = { type: "vxlan" };
      const network = (node: LabNode, changes: Readonly<Record<string, unknown>> = {}): Conflist =>
        overlayNetwork(lab, node, { ...overlay, network: { ...(node.number === 2 ? ovs : {}), ...changes } });
      const pods: Pod[] = [];
      const add = async (node: LabNode, conflist = network(node)): Promise<Pod> => {
        const made = await pod(node, conflist);
        pods.push(made);
        return made;
      };
      afterEach(async () => {
        for (const each of pods.splice(0)) await each.remove();
        await withdrawn();
      }, 120_000);

      test("a probe tells from both sides that packets of full size are answered", async () => {
        const { node1, node2 } = lab;
        for (const node of [node1, node2]) await add(node);
        await Promise.all([node1, node2].map((node) => install(node, network(node))));
        for (const [from, to] of [
          [node1, node2],
          [node2, node1],
        ] as const) {
          const said = await from.sh(`podwire doctor --probe ${to.address} || true`);
          expect(said).toMatch(/probe of \S+ .*packets of 1500 bytes are answered on UDP port 4789/);
        }
      });

      test("a killed ovs-vswitchd's flows are back by apply, by ADD, and by the keeper", async () => {
        const { node1, node2 } = lab;
        const [one, other] = [await add(node1), await add(node2)];
        await install(node2, network(node2));
        const restart = async () => {
          await kill(node2, "ovs-vswitchd");
          await begin(node2, "ovs-vswitchd");
          expect(await overlayFlows(node2)).toBe(0);
        };
        await restart();
        await node2.sh("podwire apply");
        await reach(one, other);
        await restart();
        await reach(one, await add(node2));
        await reach(other, one);
        const keeper = await startKeeper(node2);
        try {
          await restart();
          await vi.waitFor(async () => expect(await overlayFlows(node2)).toBeGreaterThan(0), {
            timeout: 20_000,
          });
          await node2.sh("ovs-vsctl del-port pw-tunnel");
          await vi.waitFor(() => reach(node2, one), { timeout: 20_000 });
          // Told of by Open vSwitch; what nobody tells of would be seen after half a minute.
          const timeout = await twoSecondsOf(node2);
          for (const harm of [`del-flows podwire0 ${cookie}`, `mod-flows podwire0 ${cookie},actions=drop`]) {
            await keeper.says("changed flows", () => node2.sh(`ovs-ofctl -O OpenFlow13 ${harm}`));
            await vi.waitFor(() => reach(node2, one), { timeout });
          }
        } finally {
          await keeper.stop();
        }
      });

      test("pods with a larger MTU are told, and what they fragment arrives", async () => {
        const { node1, node2 } = lab;
        const [one, large] = [await add(node1), await add(node2, network(node2, { mtu: 1500 }))];
        await add(node2);
        const told = await large.sh(`ping -c 1 -W 3 -M do -s 1472 ${one.address} || true`);
        expect(told).toMatch(/Frag needed and DF set \(mtu = 1450\)/);
        await ping(large, one, { count: 2, size: 3000 });
        for (const family of families) await transfer(large, one, 20, family);
      });

      test("a Service has backends on other nodes", async () => {
        const { node1, node2 } = lab;
        const [backend, client] = [await add(node1), await add(node2)];
        await withServer(backend, server, 8080, () =>
          withService(node2, backend, async () => {
            expect(await answers(client)).toEqual(["hi", "hi"]);
            expect(await answers(node2)).toEqual(["hi", "hi"]);
          }),
        );
      });

      test("a node that changes its datapath, there and back, keeps its pods of before connected", async () => {
        const { node1, node2 } = lab;
        const [one, old] = [await add(node1), await add(node2, network(node2, { datapath: "veth" }))];
        await reach(old, one);
        const fresh = await add(node2);
        for (const each of [old, fresh]) await reach(each, one);
        const last = await add(node2, network(node2, { datapath: "veth" }));
        expect(await node2.sh("ovs-vsctl list-ports podwire0 | grep -c pw- || true")).toBe("0");
        for (const each of [old, fresh, last]) await reach(one, each);
      });

      test("a UDP port that somebody else's tunnel has is an error that names it", async () => {
        const { node2 } = lab;
        const refused = async () => {
          await node2.sh("ip netns add refused");
          const outcome = await callOnce(node2, "ADD", network(node2), { container: "refused" });
          await node2.sh("ip netns delete refused");
          return outcome;
        };
        await node2.sh("ip link add flannel.1 up type vxlan id 1 dstport 4789 dev eth0");
        expect(await refused()).toMatchObject({ code: 108, details: expect.stringContaining("flannel.1") });
        await node2.sh(
          "ip link delete flannel.1; ovs-vsctl add-br other -- add-port other theirs -- set Interface theirs type=vxlan options:remote_ip=192.0.2.9",
        );
        expect(await refused()).toMatchObject({ code: 108, details: expect.stringContaining("theirs") });
        expect(await node2.sh("ovs-vsctl list-br")).not.toContain("podwire0");
        await node2.sh("ovs-vsctl del-br other");
      });
    });
  },
);

const cookie = "cookie=0x7077000000000001/-1";

async function overlayFlows(node: LabNode): Promise<number> {
  const printed = await node.sh(
    `ovs-ofctl -O OpenFlow13 dump-flows podwire0 ${cookie} | grep -c table= || true`,
  );
  return Number(printed);
}
