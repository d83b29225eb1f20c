// Peers that come and go while others talk: each packet of those others arrives, counted by its number.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startFlow } from "../fixture/counted.ts";
import { startKeeper } from "../fixture/keeper.ts";
import { testedKernels } from "../fixture/kernels.ts";
import { startOpenVswitch } from "../fixture/open-vswitch.ts";
import {
  filedNetwork,
  install,
  type LabOverlay,
  type LabPeer,
  peersOf,
  withdraw,
  writePeers,
} from "../fixture/overlay.ts";
import { type Pod, pod } from "../fixture/pod.ts";
import { cannotRunFullLab, sharedLab } from "../fixture/shared-lab.ts";
import { ping, transfer } from "../fixture/traffic.ts";
import type { LabNode } from "../machine/node.ts";
import { loadModule } from "../stt/tunnel.ts";

interface Case extends LabOverlay {
  readonly name: string;
}

const cases: readonly Case[] = [
  { name: "vxlan", type: "vxlan" },
  { name: "geneve", type: "geneve" },
  { name: "geneve over IPv6", type: "geneve", underlayFamily: 6 },
  { name: "host-gw", type: "host-gw" },
  { name: "vxlan with directRouting", type: "vxlan", overlay: { directRouting: true } },
  { name: "host-gw, ipvlan l3s", type: "host-gw", network: { datapath: "ipvlan", ipvlan: { mode: "l3s" } } },
  { name: "stt", type: "stt" },
  // Last: its module tracks the connections of the whole guest.
  { name: "vxlan, ovs", type: "vxlan", network: { datapath: "ovs" } },
  { name: "geneve, ovs", type: "geneve", network: { datapath: "ovs" } },
];

/** Who may send tunnel packets is a set of nftables, or the module's. */
const newPeers = "changed (nftables sets of peers|port, output and peers)";

describe.skipIf(cannotRunFullLab("peers of overlays")).each(testedKernels)(
  "peers that come and go on kernel %s",
  (kernel) => {
    const lab = sharedLab({ nodes: kernel === "6.1" ? 3 : 2, kernel });
    beforeAll(() => loadModule(lab), 600_000);

    describe.each(cases)("by $name", (overlay) => {
      let pods: readonly Pod[];
      const everybody = () => peersOf(lab.nodes, overlay.underlayFamily);
      const network = (node: LabNode) => filedNetwork(node, overlay);
      beforeAll(async () => {
        if (overlay.network?.["datapath"] === "ovs") await Promise.all(lab.nodes.map(startOpenVswitch));
        for (const node of lab.nodes) {
          await install(node, network(node));
          await writePeers(node, everybody());
        }
        pods = await Promise.all(lab.nodes.map((node) => pod(node, network(node))));
      }, 300_000);
      afterAll(async () => {
        for (const each of pods) await each.remove();
        expect(await Promise.all(lab.nodes.map(withdraw))).toEqual(lab.nodes.map(() => ""));
      });

      test("cost no packet of the others, by apply at one end and a keeper at the other", async () => {
        const [one, other, third] = pods as [Pod, Pod, Pod | undefined];
        const keeper = await startKeeper(lab.node2);
        const lists = [
          [...everybody(), ...strangers(40, overlay.underlayFamily)],
          everybody().slice(0, 2),
          [...strangers(20, overlay.underlayFamily), ...everybody()],
          everybody(),
        ];
        const change = async () => {
          for (const list of lists) {
            await writePeers(lab.node1, list);
            await keeper.says(newPeers, () => writePeers(lab.node2, list));
            await lab.node1.run("podwire", "apply");
            if (third !== undefined && list.length === 2) {
              await expect(ping(one, third, { count: 1 })).rejects.toThrow(/packet loss|unreachable/i);
            }
          }
        };
        const flows = [
          await startFlow(one, other, { port: 5401 }),
          await startFlow(other, one, { port: 5402, family: 6 }),
        ];
        await Promise.all([change(), transfer(one, other, 20)]);
        for (const flow of flows) {
          const { sent, missing } = await flow.stop();
          console.log(`kernel ${kernel}, ${overlay.name}: ${missing} of ${sent} datagrams missing`);
          expect(sent).toBeGreaterThan(200);
          expect(missing).toBe(0);
        }
        if (third !== undefined) await ping(one, third, { count: 1 });
        await keeper.stop();
      });
    });
  },
);

/** Peers that are on the link by their addresses, and do not exist. */
function strangers(count: number, family: 4 | 6 = 4): LabPeer[] {
  return Array.from({ length: count }, (_, index) => ({
    node: `stranger${index}`,
    address: family === 4 ? `192.0.2.${100 + index}` : `2001:db8::${100 + index}`,
    podCIDRs: [`10.245.${index}.0/24`],
  }));
}
