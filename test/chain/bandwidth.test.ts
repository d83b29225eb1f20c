// bandwidth after podwire: it shapes the host's end of the pod's link, which it finds in podwire's result.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { chain, hasCheck, versions } from "../fixture/conflist.ts";
import { hostAddress, startNode, type TestNode } from "../fixture/node.ts";
import { addressesOf, hostLinkOf, podwireThen } from "./podnet.ts";
import { cannotRun } from "./prerequisites.ts";
import { leftSince, tracesOf } from "./traces.ts";
import { ask, type Place, type Server, serve } from "./traffic.ts";

const bandwidth = { type: "bandwidth", capabilities: { bandwidth: true } };
const rate = 8_000_000;
const burst = 800_000;
const bytes = 2_000_000;
const limits = { ingressRate: rate, ingressBurst: burst, egressRate: rate, egressBurst: burst };

let node: TestNode;
const servers: Server[] = [];
beforeEach(async () => {
  node = await startNode();
});
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
  await node.stop();
});

async function addPod(version: (typeof versions)[number], name: string, capabilityArgs = {}) {
  await node.addPod(name);
  const pod = chain(node, podwireThen(version, bandwidth), { container: name, capabilityArgs });
  const result = await pod.add();
  return { pod, result, address: addressesOf(result)[0] };
}

/** Bits per second of one TCP connection. */
async function throughput(from: Place, to: string): Promise<number> {
  const { received, seconds } = await ask(node, { from, to, port: 9000, bytes });
  expect(received).toBe(bytes);
  return (received * 8) / seconds;
}

describe.skipIf(cannotRun("bandwidth", ["bandwidth"]))("bandwidth behind podwire", () => {
  describe.each(versions)("in CNI %s", (version) => {
    test("shapes the host link of podwire's result and the way back, and passes CHECK", async () => {
      const { pod, result } = await addPod(version, "pod1", { bandwidth: limits });
      const shaping = async (link: string) =>
        JSON.parse(await node.run("tc", "-json", "qdisc", "show", "dev", link));
      const tbf = expect.objectContaining({
        kind: "tbf",
        options: expect.objectContaining({ rate: rate / 8 }),
      });
      expect(await shaping(hostLinkOf(result))).toContainEqual(tbf);
      const ifb = result.interfaces.find(({ name }) => name.startsWith("bwp"));
      expect(await shaping(ifb?.name ?? "")).toContainEqual(tbf);
      if (hasCheck(version)) await pod.check();
    });

    test("leaves nothing after DEL, however often", async () => {
      const before = await tracesOf(node);
      const { pod } = await addPod(version, "pod1", { bandwidth: limits });
      await pod.del();
      expect(await leftSince(before, node)).toEqual([]);
      await pod.del();
    });
  });

  test("slows a pod down, to and fro, but not its neighbour", async () => {
    const slow = await addPod("1.0.0", "pod1", { bandwidth: limits });
    const fast = await addPod("1.0.0", "pod2");
    servers.push(await serve(node, undefined, 9000), await serve(node, "pod1", 9000));
    servers.push(await serve(node, "pod2", 9000));
    const unshaped = await throughput(undefined, fast.address);
    // The burst passes at once, so the mean is somewhat above the rate: far below what the link can do.
    expect(await throughput(undefined, slow.address)).toBeLessThan(unshaped / 4);
    expect(await throughput("pod1", hostAddress)).toBeLessThan(unshaped / 4);
  });
});
