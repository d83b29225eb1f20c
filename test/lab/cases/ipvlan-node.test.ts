// One node with ipvlan pods under stress: many calls at once, killed calls, lost pods and records, links that cannot be
// masters, flags, and a change of datapath. Each test takes whichever of two nodes is idle.
import { describe, expect, test } from "vitest";
import { ipvlanFlags, ipvlanModes } from "../../../src/plan/plan.ts";
import type { Conflist, Entry } from "../../fixture/conflist.ts";
import { idleNodes } from "../fixture/idle-node.ts";
import { callOnce, gc, ipvlanNetwork, leftOvers } from "../fixture/ipvlan.ts";
import { testedKernels } from "../fixture/kernels.ts";
import { addAndDeleteAtOnce, killAdd, replaceTheLast } from "../fixture/many-calls.ts";
import { conflistFor, pod } from "../fixture/pod.ts";
import { cannotRunFullLab, sharedLab } from "../fixture/shared-lab.ts";
import { ping } from "../fixture/traffic.ts";
import type { Endpoint, LabNode } from "../machine/node.ts";

const once = { count: 1 };
const reaches = (from: Endpoint, to: Endpoint, family: 4 | 6) =>
  from
    .sh(`ping -n -c 1 -W 2 ${family === 4 ? to.address : to.address6}`)
    .then(() => true)
    .catch(() => false);

describe.skipIf(cannotRunFullLab("a node with ipvlan")).each(testedKernels)(
  "a node of kernel %s",
  (kernel) => {
    const lab = sharedLab({ kernel });
    const onIdle = idleNodes(lab);
    const onNode = (name: string, body: (node: LabNode) => Promise<void>) =>
      test.concurrent(name, () =>
        onIdle(async (node) => {
          await body(node);
          expect(await leftOvers(node)).toBe("");
        }),
      );

    for (const [mode, count] of [
      ["l3s", 20],
      ["l2", 8],
      ["l3", 8],
    ] as const) {
      onNode(`wires ${count} first pods of ${mode} at once, and takes them away at once`, async (node) => {
        expect(await addAndDeleteAtOnce(node, ipvlanNetwork(node, mode), count)).toEqual([]);
      });
    }

    for (const mode of ipvlanModes) {
      onNode(`has pods of ${mode} with one family that the host and other pods reach`, async (node) => {
        for (const family of [4, 6] as const) {
          const conflist = ofOneFamily(ipvlanNetwork(node, mode), family);
          const [one, beside] = [await pod(node, conflist), await pod(node, conflist)];
          for (const [from, to] of [
            [node, one],
            [one, node],
            [one, beside],
          ] as const)
            await ping(from, to, { count: 1, family });
          await Promise.all([one.check(), beside.check()]);
          await one.remove();
          await beside.remove();
        }
      });
    }

    onNode(
      "keeps the host's slave, or makes it again, when a first pod comes as the last one goes",
      async (node) => {
        expect(await replaceTheLast(node, ipvlanNetwork(node, "l2"), 6)).toEqual([]);
      },
    );

    for (const next of ["DEL", "ADD"] as const) {
      onNode(`recovers by ${next} from an ADD that was killed at any moment`, async (node) => {
        expect(await killAdd(node, ipvlanNetwork(node, "l3s"), next, 6)).toEqual([]);
      });
    }

    onNode("removes by GC what vanished, with records and without, and nothing else", async (node) => {
      const conflist = ipvlanNetwork(node, "l2");
      const [kept, gone] = [await pod(node, conflist), await pod(node, conflist)];
      const nameOf = ({ netns }: { netns: string }) => netns.split("/").at(-1) ?? "";
      await node.sh(`ip netns delete ${nameOf(gone)}`);
      expect(await gc(node, conflist, [nameOf(kept)])).toMatchObject({ code: 0 });
      expect(await leftOvers(node)).not.toContain(gone.address);
      await kept.check();
      await ping(node, kept, once);
      await node.sh(`ip netns delete ${nameOf(kept)}; rm -r /var/lib/podwire/podnet`);
      expect(await gc(node, conflist)).toMatchObject({ code: 0 });
    });

    onNode(
      "has new pods at once after it lost its power, and GC clears away what the old ones left",
      async (node) => {
        const conflist = ipvlanNetwork(node, "l3s");
        const old = [await pod(node, conflist), await pod(node, conflist)];
        await node.sh("sync");
        await node.reset();
        const fresh = await pod(node, conflist, { container: "fresh" });
        await ping(node, fresh, once);
        await ping(fresh, node, once);
        await fresh.check();
        expect(await callOnce(node, "STATUS", conflist)).toMatchObject({ code: 0 });
        expect(await gc(node, conflist, ["fresh"])).toMatchObject({ code: 0 });
        for (const { address } of old) expect(await leftOvers(node)).not.toContain(address);
        await ping(node, fresh, once);
        await fresh.remove();
      },
    );

    onNode("reaches pods whose records were lost after one of them is deleted", async (node) => {
      const conflist = ipvlanNetwork(node, "l3s");
      const [one, beside] = [await pod(node, conflist), await pod(node, conflist)];
      await node.sh("rm -r /var/lib/podwire/podnet");
      await one.remove();
      await ping(node, beside, once);
      await ping(beside, node, once);
      expect(await leftOvers(node)).not.toContain(one.address);
      await beside.remove();
      expect(await gc(node, conflist)).toMatchObject({ code: 0 });
    });

    onNode("with l2 pods answers nobody on the segment for the router's usual address", async (node) => {
      const [other] = lab.nodes.filter(({ number }) => number !== node.number) as [LabNode];
      const inHalf = `fd00:10:244::${node.number}:0/112 via ${node.address6}`;
      const conflist = ipvlanNetwork(node, "l2");
      const [one, beside] = [await pod(node, conflist), await pod(node, conflist)];
      await other.sh(`ip route add ${inHalf}`);
      for (const question of ["ping -n -c 1 -W 2 fe80::1%eth0", "ping -n -c 1 -W 2 -I eth0 169.254.1.1"]) {
        await expect(other.sh(question)).rejects.toThrow();
      }
      expect(await other.sh("ip neighbour show fe80::1 dev eth0")).not.toContain("lladdr");
      for (const family of [4, 6] as const) {
        await ping(one, node, { count: 1, family });
        await ping(node, one, { count: 1, family });
        await ping(one, beside, { count: 1, family });
      }
      await ping(one, other, { count: 1, family: 6 });
      await ping(other, one, { count: 1, family: 6 });
      await one.check();
      await other.sh(`ip route delete ${inHalf}`);
      await Promise.all([one.remove(), beside.remove()]);
    });

    onNode("leaves in a pod whatever has the name of the interface", async (node) => {
      await node.sh("ip netns add full; ip -n full link add eth0 type dummy");
      const call = { container: "full" };
      const conflist = ipvlanNetwork(node, "l3s");
      expect(await callOnce(node, "ADD", conflist, call)).toMatchObject({ code: 101 });
      expect(await node.sh("ip -n full -o link show | grep -c .")).toBe("2");
      expect(await callOnce(node, "DEL", conflist, call)).toMatchObject({ code: 0 });
      expect(await node.sh("ip -n full -d link show eth0; ip netns delete full")).toContain("dummy");
    });

    onNode("refuses links that cannot be masters, and says so by STATUS", async (node) => {
      await node.sh(`
      for name in port used other apart; do ip link add $name type dummy; ip link set $name up; done
      ip link add bridge0 type bridge; ip link set port master bridge0
      ip link add macvlan0 link used type macvlan
      ip link add slave0 link other type ipvlan mode l2
      ip netns add full; ip link add macvlan1 link apart type macvlan; ip link set macvlan1 netns full`);
      const refusal = async (master: string) => {
        const conflist = ipvlanNetwork(node, "l3s", { ipvlan: { master, mode: "l3s" } });
        const add = await callOnce(node, "ADD", conflist, { container: "full" });
        return { add, status: await callOnce(node, "STATUS", conflist) };
      };
      for (const [master, words] of [
        ["absent", "no such link"],
        ["lo", "loopback|772"],
        ["port", "a port of bridge0"],
        ["used", "macvlan link macvlan0"],
        ["other", "mode l2 bridge"],
        ["slave0", "slave of other"],
      ] as const) {
        const { add, status } = await refusal(master);
        expect([add.code, status.code], master).toEqual([106, 50]);
        for (const { details } of [add, status])
          expect(details).toMatch(new RegExp(`"${master}".*(${words})`));
      }
      // The kernel shows a macvlan link only where it is; it refuses, but nobody can know before.
      expect((await refusal("apart")).add).toMatchObject({
        code: 106,
        details: expect.stringContaining("apart"),
      });
      expect(await node.sh("ip -d link show slave0")).toContain("mode l2");
      await node.sh(
        "for name in bridge0 port used other apart; do ip link delete $name; done; ip netns delete full",
      );
    });

    onNode("refuses what a slave cannot have, before anything is made", async (node) => {
      await node.sh("ip netns add full");
      const refusal = (changes: Record<string, unknown>, call = {}) =>
        callOnce(node, "ADD", ipvlanNetwork(node, "l3s", changes), { container: "full", ...call });
      const mac = "0a:58:0a:f4:01:07";
      const capable = { capabilities: { mac: true }, runtimeConfig: { mac } };
      expect(await refusal(capable)).toMatchObject({ code: 2, details: expect.stringContaining(mac) });
      expect(await refusal({}, { args: `MAC=${mac}` })).toMatchObject({ code: 2 });
      expect(await refusal({ mtu: 1501 })).toMatchObject({
        code: 7,
        details: expect.stringContaining("1501"),
      });
      const l3 = { ipvlan: { mode: "l3" } };
      expect(await refusal(l3)).toMatchObject({ code: 7, details: expect.stringContaining("ipMasq") });
      expect(await node.sh("ip -n full -o link show | grep -c .; ip netns delete full")).toBe("1");
    });

    onNode("gives one mode to two networks that come at once, and refuses the other", async (node) => {
      await node.sh("for pod in first second; do ip netns add $pod; ip -n $pod link set lo up; done");
      const [l2, l3] = [ipvlanNetwork(node, "l2"), ipvlanNetwork(node, "l3", { ipMasq: false })];
      const codes = await Promise.all([
        callOnce(node, "ADD", l2, { container: "first" }),
        callOnce(node, "ADD", l3, { container: "second" }),
      ]);
      // Both may see the other and give way.
      expect(codes.map(({ code }) => code)).toContain(106);
      const modes = await node.sh("ip -d link show | grep -oE 'ipvlan +mode [a-z0-9]+' | sort -u || true");
      expect(modes.split("\n").length).toBeLessThanOrEqual(1);
      for (const [conflist, container] of [
        [l2, "first"],
        [l3, "second"],
      ] as const)
        await callOnce(node, "DEL", conflist, { container });
      await node.sh("ip netns delete first; ip netns delete second");
    });

    for (const flag of ipvlanFlags.filter((name) => name !== "bridge")) {
      onNode(
        `wires pods with flag ${flag}: apart from each other and the host, out to other nodes`,
        async (node) => {
          const [other] = lab.nodes.filter(({ number }) => number !== node.number) as [LabNode];
          const route = `10.244.${node.number}.0/24 via ${node.address}`;
          const conflist = ipvlanNetwork(node, "l3s", { ipvlan: { mode: "l3s", flag }, ipMasq: false });
          const [one, beside] = [await pod(node, conflist), await pod(node, conflist)];
          await other.sh(`ip route add ${route}`);
          await ping(one, other, once);
          await one.check();
          expect([await reaches(one, beside, 4), await reaches(node, one, 4)]).toEqual([false, false]);
          await other.sh(`ip route delete ${route}`);
          await Promise.all([one.remove(), beside.remove()]);
          expect(await node.kernelLog()).not.toContain("Dead loop");
        },
      );
    }

    for (const mode of ["l2", "l3", "l3s"] as const) {
      onNode(`changes from ipvlan ${mode} to veth with pods running`, async (node) => {
        const network = ipvlanNetwork(node, mode, { ipMasq: false });
        const old = [await pod(node, network), await pod(node, network)] as const;
        const { ipam } = network.plugins[0] as { ipam?: unknown };
        const log = `/run/podwire-${mode}.log`;
        const veth = conflistFor(node, { ipam, log: { file: log } });
        const fresh = await pod(node, veth);
        for (const each of [...old, fresh]) await ping(node, each, once);
        await ping(old[0], old[1], once);
        // Answers of l3 and l3s pods leave by the master, and an l2 pod takes what is in its subnet for a neighbour.
        expect(await reaches(fresh, old[0], 4)).toBe(false);
        expect(await node.sh(`cat ${log}`)).toMatch(/pods do not reach each other: .* \(2 pods\)/);
        if (mode !== "l2") {
          expect(await reaches(old[0], fresh, 4)).toBe(false);
          await ping(fresh, old[0], { ...once, family: 6 });
          await ping(old[0], fresh, { ...once, family: 6 });
          const ranges = [[{ subnet: `10.250.${node.number}.0/24` }]];
          const others = { type: "host-local", ranges, routes: [{ dst: "0.0.0.0/0" }] };
          const masked = { ...conflistFor(node, { ipMasq: true, ipam: others }), name: "othernet" };
          const third = await pod(node, masked);
          await ping(third, old[0], once);
          await third.remove();
        }
        await fresh.check();
        for (const each of old) {
          const container = each.netns.split("/").at(-1) ?? "";
          expect(await callOnce(node, "DEL", veth, { container })).toMatchObject({ code: 0 });
          expect(await each.sh("ip -o link show | grep -c .")).toBe("1");
          await node.sh(`ip netns delete ${container}`);
        }
        await ping(node, fresh, once);
        await fresh.remove();
      });
    }
  },
);

/** The network with its range and route of `family` alone. */
function ofOneFamily(conflist: Conflist, family: 4 | 6): Conflist {
  const [entry] = conflist.plugins as readonly [Entry];
  const { ranges, routes, ...ipam } = entry["ipam"] as { ranges: object[]; routes: object[] };
  const only = (both: readonly object[]) => [both[family === 4 ? 0 : 1]];
  return {
    ...conflist,
    plugins: [{ ...entry, ipam: { ...ipam, ranges: only(ranges), routes: only(routes) } }],
  };
}
