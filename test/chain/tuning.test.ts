// tuning after podwire: it changes the pod's interface behind podwire's back and says so in the chain's
// result; podwire's CHECK goes by that result.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { chain, type Entry, hasCheck, type Result, versions } from "../fixture/conflist.ts";
import { hostAddress, hostAddress6, startNode, type TestNode } from "../fixture/node.ts";
import { addressesOf, podwireThen } from "./podnet.ts";
import { cannotRun } from "./prerequisites.ts";
import { leftSince, tracesOf } from "./traces.ts";

const mac = "0a:58:0a:f4:01:63";
const sysctl = { "net.ipv4.conf.eth0.log_martians": "1", "net.core.somaxconn": "500" };
const all: Entry = { type: "tuning", sysctl, mac, mtu: 1400 };

let node: TestNode;
beforeEach(async () => {
  node = await startNode();
});
afterEach(async () => node.stop());

async function linkOf(pod: string): Promise<{ mtu: number; address: string; flags: string[] }> {
  return JSON.parse(await node.run("ip", "-n", pod, "-json", "link", "show", "eth0"))[0];
}

async function expectReachable(result: Result): Promise<void> {
  for (const to of [hostAddress, hostAddress6]) await node.runIn("pod1", "ping", "-c", "1", "-W", "2", to);
  for (const address of addressesOf(result)) await node.run("ping", "-c", "1", "-W", "2", address);
}

describe.skipIf(cannotRun("tuning", ["tuning"]))("tuning behind podwire", () => {
  describe.each(versions)("in CNI %s", (version) => {
    async function addTuned(tuning: Entry, capabilityArgs = {}) {
      await node.addPod("pod1");
      const pod = chain(node, podwireThen(version, tuning), { container: "pod1", capabilityArgs });
      const result = await pod.add();
      return { pod, result };
    }

    test("sets sysctls in the pod, which podwire's CHECK does not mind", async () => {
      const { pod, result } = await addTuned({ type: "tuning", sysctl });
      for (const [key, value] of Object.entries(sysctl))
        expect(await node.runIn("pod1", "sysctl", "-n", key)).toBe(value);
      if (hasCheck(version)) await pod.check();
      await expectReachable(result);
    });

    test("changes the MAC and the pod stays reachable, and CHECK passes with the chain's result", async () => {
      const { pod, result } = await addTuned({ type: "tuning", mac });
      expect(await linkOf("pod1")).toMatchObject({ address: mac });
      expect(result.interfaces).toContainEqual(expect.objectContaining({ name: "eth0", mac }));
      await expectReachable(result);
      if (hasCheck(version)) await pod.check();
    });

    test("changes the MTU, which results of these versions cannot say, and CHECK passes", async () => {
      const { pod, result } = await addTuned({ type: "tuning", mtu: 1400 });
      expect(await linkOf("pod1")).toMatchObject({ mtu: 1400 });
      await expectReachable(result);
      if (hasCheck(version)) await pod.check();
    });

    test("turns promiscuous and allmulti mode on, which podwire's CHECK does not mind", async () => {
      const { pod, result } = await addTuned({ type: "tuning", promisc: true, allmulti: true });
      expect((await linkOf("pod1")).flags).toEqual(expect.arrayContaining(["PROMISC", "ALLMULTI"]));
      await expectReachable(result);
      if (hasCheck(version)) await pod.check();
    });

    test("and podwire agree on a MAC that the runtime asks both for", async () => {
      const asking = { type: "tuning", capabilities: { mac: true } };
      const { pod, result } = await addTuned(asking, { mac });
      expect(await linkOf("pod1")).toMatchObject({ address: mac });
      if (hasCheck(version)) await pod.check();
      await expectReachable(result);
    });

    if (hasCheck(version))
      test("does not hide from podwire's CHECK what was changed after the chain", async () => {
        const { pod } = await addTuned(all);
        await pod.check();
        await node.runIn("pod1", "ip", "link", "set", "eth0", "address", "0a:58:0a:f4:01:64");
        await expect(pod.check()).rejects.toThrow(/link eth0 in the pod: expected mac 0a:58:0a:f4:01:63/);
      });

    test("leaves nothing after DEL, however often", async () => {
      const before = await tracesOf(node);
      const { pod } = await addTuned(all);
      await pod.del();
      expect(await leftSince(before, node)).toEqual([]);
      await pod.del();
    });
  });
});
