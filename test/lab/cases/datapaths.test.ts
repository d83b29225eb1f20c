// One node whose datapath is switched while pods run: who of the old and the new reaches whom, and what daemons and
// machines that die take with them. Open vSwitch with the kernel's datapath, on two nodes of each kernel.
import { describe, expect, test } from "vitest";
import type { Conflist } from "../../fixture/conflist.ts";
import { callOnce, gc, ipvlanNetwork, leftOvers } from "../fixture/ipvlan.ts";
import { isFull, testedKernels } from "../fixture/kernels.ts";
import { begin, kill, startOpenVswitch } from "../fixture/open-vswitch.ts";
import { conflistFor, type Pod, pod } from "../fixture/pod.ts";
import { answers, server, withService } from "../fixture/service.ts";
import { cannotRunLab, sharedLab } from "../fixture/shared-lab.ts";
import { ping, transfer, withServer } from "../fixture/traffic.ts";
import type { Endpoint, LabNode } from "../machine/node.ts";

const families = [4, 6] as const;

const networks: Readonly<Record<string, (node: LabNode) => Conflist>> = {
  veth: (node) => conflistFor(node, { ipMasq: true }),
  "ovs by veth": (node) => conflistFor(node, { ipMasq: true, datapath: "ovs" }),
  "ovs by internal ports": (node) =>
    conflistFor(node, { ipMasq: true, datapath: "ovs", ovs: { portType: "internal" } }),
};

const otherSubnets = {
  type: "host-local",
  ranges: [[{ subnet: "10.99.1.0/24" }], [{ subnet: "fd00:99::/64" }]],
  routes: [{ dst: "0.0.0.0/0" }, { dst: "::/0" }],
};

async function reach(from: Endpoint, to: Endpoint): Promise<void> {
  for (const family of families) await ping(from, to, { family, count: 1 });
}

async function passes(from: Endpoint, to: Endpoint): Promise<boolean> {
  const ping = `ping -n -c 1 -W 3 ${to.address} > /dev/null`;
  return (await from.sh(`if ${ping}; then echo yes; else echo no; fi`)).trim() === "yes";
}

/** Nothing of podwire's, in Open vSwitch either. */
async function whatIsLeft(node: LabNode): Promise<string> {
  return [await leftOvers(node), await node.sh("ovs-vsctl list-br")].join("").trim();
}

describe.skipIf(cannotRunLab("switching datapaths")).each(testedKernels)("on kernel %s", (kernel) => {
  const lab = sharedLab({ kernel });
  const deletePod = async (node: LabNode, conflist: Conflist, { netns }: Pod) => {
    const container = netns.split("/").at(-1) ?? "";
    expect(await callOnce(node, "DEL", conflist, { container })).toMatchObject({ code: 0 });
    await node.sh(`ip netns delete ${container}`);
  };

  test("pods of veth and of both kinds of port reach each other, host and world, and each is deleted by any", async () => {
    const { node1, node2 } = lab;
    await startOpenVswitch(node1);
    const pods: Pod[] = [];
    for (const network of Object.values(networks)) pods.push(await pod(node1, network(node1)));
    const [last] = Object.values(networks).slice(-1) as [(node: LabNode) => Conflist];
    for (const one of pods) {
      await one.check();
      await reach(one, node1);
      await reach(node1, one);
      await reach(one, node2);
      for (const other of pods.filter((each) => each !== one)) await reach(one, other);
    }
    await transfer(pods[0] as Pod, pods[1] as Pod, 20);
    await transfer(pods[1] as Pod, pods[2] as Pod, 20, 6);
    await transfer(pods[2] as Pod, node2, 20);
    for (const one of pods) await deletePod(node1, last(node1), one);
    expect(await whatIsLeft(node1)).toBe("");
  });

  test("Services have backends on the same node for pods of Open vSwitch", async () => {
    const { node1 } = lab;
    const conflist = networks["ovs by veth"]?.(node1) as Conflist;
    const [one, beside] = [await pod(node1, conflist), await pod(node1, conflist)];
    await withServer(beside, server, 8080, () =>
      withService(node1, beside, async () => {
        expect(await answers(one)).toEqual(["hi", "hi"]);
        expect(await answers(node1)).toEqual(["hi", "hi"]);
      }),
    );
    await Promise.all([one.remove(), beside.remove()]);
    expect(await whatIsLeft(node1)).toBe("");
  });

  test("pods of Open vSwitch and older ipvlan pods in l2 reach each other from subnet to subnet, and ADD warns within one", async () => {
    const { node1 } = lab;
    const log = "/run/podwire-add.log";
    const old = await pod(node1, ipvlanNetwork(node1, "l2", { ipMasq: false }));
    const ovs = (changes: object) =>
      conflistFor(node1, { ipMasq: true, datapath: "ovs", log: { file: log }, ...changes });
    const beside = await pod(node1, ovs({ ipam: otherSubnets }));
    await reach(beside, old);
    await reach(old, beside);
    expect(await node1.sh(`cat ${log} 2> /dev/null || true`)).toBe("");
    const fresh = await pod(node1, ovs({}));
    expect(await node1.sh(`cat ${log}`)).toContain("take others in 10.244.0.0/16 for neighbours");
    expect(await node1.sh("podwire doctor || true")).toContain("take others in 10.244.0.0/16 for neighbours");
    for (const each of [old, beside, fresh]) {
      await reach(node1, each);
      await each.check();
    }
    await old.remove();
    await reach(node1, fresh);
    await Promise.all([fresh.remove(), beside.remove()]);
    expect(await whatIsLeft(node1)).toBe("");
  });

  test.each(["ovs by veth", "ovs by internal ports"])(
    "pods of %s are back with the next verb after ovs-vswitchd was killed",
    async (name) => {
      const { node1 } = lab;
      const conflist = networks[name]?.(node1) as Conflist;
      const [one, beside] = [await pod(node1, conflist), await pod(node1, conflist)];
      await reach(one, beside);
      await kill(node1, "ovs-vswitchd");
      expect(await callOnce(node1, "STATUS", conflist)).toMatchObject({ code: 50 });
      const passing = async () => ({
        pair: await passes(one, beside),
        host: await passes(node1, one),
        link: (await one.sh("ip address show dev eth0 || true")).includes(one.address),
      });
      // The kernel knows what to do with packets that it has seen the like of, and asks nobody.
      expect(await passing(), "while it is down").toEqual({ pair: true, host: false, link: true });
      await begin(node1, "ovs-vswitchd");
      expect(await passing(), "after its start").toEqual({ pair: false, host: false, link: true });
      const next = await pod(node1, conflist);
      for (const each of [one, beside, next]) await each.check();
      await reach(one, beside);
      await reach(next, one);
      await reach(node1, one);
      for (const each of [one, beside, next]) await each.remove();
      expect(await whatIsLeft(node1)).toBe("");
    },
  );

  // With Open vSwitch 3.1.0, which is deaf to a datapath that it opens in the first ten seconds after boot. For releases
  // until it has passed often enough.
  test.runIf(isFull).each(["ovs by veth", "ovs by internal ports"])(
    "a node that lost its power has new pods at once, %s, and GC clears away the old ones' ports",
    async (network) => {
      const { node1 } = lab;
      const conflist = networks[network]?.(node1) as Conflist;
      await pod(node1, conflist);
      await pod(node1, conflist);
      await node1.sh("sync");
      await node1.reset();
      await startOpenVswitch(node1);
      const fresh = await pod(node1, conflist, { container: "fresh" });
      await reach(node1, fresh);
      await fresh.check();
      expect(await callOnce(node1, "STATUS", conflist)).toMatchObject({ code: 0 });
      expect(await gc(node1, conflist, ["fresh"])).toMatchObject({ code: 0 });
      expect((await node1.sh("ovs-vsctl list-ports podwire0")).split("\n")).toHaveLength(1);
      await reach(node1, fresh);
      await fresh.remove();
      expect(await whatIsLeft(node1)).toBe("");
    },
  );
});
