// Pods of ipvlan in each mode, on two nodes of each kernel: who reaches whom, transfers, CHECK, DEL, and Services.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ipvlanModes } from "../../../src/plan/plan.ts";
import { addNodeRoutes, ipvlanNetwork, leftOvers, removeNodeRoutes } from "../fixture/ipvlan.ts";
import { testedKernels } from "../fixture/kernels.ts";
import { type Pod, pod } from "../fixture/pod.ts";
import { answers, server, withService } from "../fixture/service.ts";
import { cannotRunLab, sharedLab } from "../fixture/shared-lab.ts";
import { ping, transfer, withServer } from "../fixture/traffic.ts";
import type { Endpoint } from "../machine/node.ts";

const families = [4, 6] as const;
/** By IPv4 and by IPv6. */
const yes = ["hi", "hi"];
const no = ["", ""];
const once = (family: 4 | 6) => ({ family, count: 1 });

describe.skipIf(cannotRunLab("ipvlan")).each(testedKernels)("ipvlan on kernel %s", (kernel) => {
  const lab = sharedLab({ kernel });

  describe.each(ipvlanModes)("in mode %s", (mode) => {
    let one: Pod;
    let beside: Pod;
    let away: Pod;
    beforeAll(async () => {
      await addNodeRoutes(lab, mode);
      const { node1, node2 } = lab;
      const onFirst = async () => {
        one = await pod(node1, ipvlanNetwork(node1, mode));
        beside = await pod(node1, ipvlanNetwork(node1, mode));
      };
      await Promise.all([onFirst(), pod(node2, ipvlanNetwork(node2, mode)).then((made) => (away = made))]);
    }, 300_000);
    afterAll(() => removeNodeRoutes(lab));

    const reach = async (from: Endpoint, to: Endpoint) => {
      for (const family of families) await ping(from, to, once(family));
    };

    test("host and pod, pods of one node, pods and hosts of two nodes reach each other", async () => {
      const { node1, node2 } = lab;
      await Promise.all([reach(node1, one), reach(node2, away)]);
      await Promise.all([reach(one, node1), reach(away, node2)]);
      await Promise.all([reach(one, beside), reach(away, one)]);
      await Promise.all([reach(one, node2), reach(node2, one)]);
    });

    test("transfers between nodes arrive whole in both directions", async () => {
      await transfer(one, away, 30);
      await transfer(away, one, 30, 6);
    });

    test("the pod's interface has the master's MAC and MTU, and CHECK agrees", async () => {
      const [own, master] = await Promise.all([linkOf(one), linkOf(lab.node1)]);
      expect(own).toEqual(master);
      expect(one.result.interfaces).toEqual([{ name: "eth0", sandbox: one.netns, mac: master.mac }]);
      await Promise.all([one.check(), away.check()]);
    });

    test("a master that gets another MAC takes its pods along, once podwire has looked", async () => {
      const { node1 } = lab;
      const { mac } = await linkOf(node1);
      for (const next of ["52:54:00:00:01:77", mac]) {
        await node1.sh(`ip link set eth0 address ${next}; podwire apply`);
        expect((await linkOf(one)).mac).toBe(next);
        await Promise.all([reach(node1, one), reach(one, node1), reach(one, beside)]);
      }
      await one.check();
    });

    test("Services have backends on the node for the host, and for pods in l3s only, on any node", async () => {
      const { node1 } = lab;
      const expected = mode === "l3s" ? yes : no;
      await withServer(away, server, 8080, () =>
        withService(node1, away, async () => {
          expect(await answers(node1), "host to the other node").toEqual(yes);
          expect(await answers(one), "pod to the other node").toEqual(expected);
        }),
      );
      await withServer(beside, server, 8080, () =>
        withService(node1, beside, async () => {
          expect(await answers(node1), "host to its own pod").toEqual(yes);
          expect(await answers(one), "pod to one beside it").toEqual(expected);
          if (mode !== "l3s") return;
          expect(await answers(beside), "pod to itself").toEqual(yes);
          // Of all the host's addresses the kernel would prefer this one, which pods of l3s cannot answer to.
          await node1.sh("ip address add 198.51.100.9/32 dev lo; ip address add 2001:db8:9::9/128 dev lo");
          expect(await answers(one), "by the master's address, whatever other links have").toEqual(yes);
          await node1.sh("ip address del 198.51.100.9/32 dev lo; ip address del 2001:db8:9::9/128 dev lo");
          // As without ipMasq: the answer goes straight to the pod, which did not ask the backend.
          await node1.sh(`nft delete element inet podwire pods4-podnet "{ ${one.address} }"`);
          expect(await answers(one), "pod to one beside it, not masqueraded").toEqual(["", "hi"]);
          await node1.sh(`nft add element inet podwire pods4-podnet "{ ${one.address} }"`);
        }),
      );
    });

    test("CHECK names what was taken away, apply puts it back, and DEL still leaves nothing", async () => {
      const { node1, node2 } = lab;
      const slave = (await node1.sh("ls /proc/sys/net/ipv4/conf | grep ^pwi")).trim();
      const route = `${one.address}/32 dev ${slave}`;
      const breakages: [string, Endpoint, string][] = [
        ["ip route delete default", one, "route 0.0.0.0/0"],
        ["ip -4 address flush dev eth0", one, `address ${one.address}/`],
        [`ip route delete ${route}`, node1, `route ${route}`],
        ...(mode === "l2"
          ? [[`ip neigh flush dev ${slave} nud permanent`, node1, `neighbour ${one.address} of`] as const]
          : []),
        [
          `ip link add link eth0 name foreign type ipvlan mode ${mode === "l3" ? "l3s" : "l3"} && ip link delete foreign`,
          node1,
          `link eth0 in the pod: expected mode ${mode} bridge`,
        ],
        [`ip link delete ${slave}`, node1, `link ${slave} on the host: expected a ipvlan link`],
      ].map((breakage) => breakage as [string, Endpoint, string]);
      for (const [script, where, words] of breakages) {
        await where.sh(script);
        await expect(one.check(), script).rejects.toThrow(words);
      }
      await node1.sh("podwire apply");
      await one.check();
      const onFirst = async () => {
        await one.remove();
        await beside.remove();
      };
      await Promise.all([onFirst(), away.remove()]);
      expect(await leftOvers(node1)).toBe("");
      expect(await leftOvers(node2)).toBe("");
    });
  });
});

async function linkOf(where: Endpoint): Promise<{ mac: string; mtu: number }> {
  const [link] = JSON.parse(await where.sh("ip -json link show dev eth0")) as {
    address: string;
    mtu: number;
  }[];
  return { mac: link?.address ?? "", mtu: link?.mtu ?? 0 };
}
