// sbr after podwire, for a second interface of a pod: what comes in by net1 is answered by net1. Whether answers that
// leave by the wrong one arrive is the host's choice: with strict rp_filter, as here, it drops them, which makes
// sbr's work visible.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Chain, type Conflist, chain, hasCheck, versions } from "../fixture/conflist.ts";
import { hostAddress, hostAddress6, startNode, type TestNode } from "../fixture/node.ts";
import { addressesOf, podwireThen } from "./podnet.ts";
import { cannotRun } from "./prerequisites.ts";
import { leftSince, tracesOf } from "./traces.ts";
import { ask, type Server, serve, tryToAsk } from "./traffic.ts";

const second = {
  type: "podwire",
  ipam: {
    type: "host-local",
    ranges: [[{ subnet: "10.245.1.0/24" }], [{ subnet: "fd00:10:245:1::/64" }]],
    routes: [{ dst: "0.0.0.0/0" }, { dst: "::/0" }],
  },
};

let node: TestNode;
const servers: Server[] = [];

/** New links begin with the value of "default"; the greater of a link's and that of "all" counts. */
async function filterReversePaths(links: string, value: number): Promise<void> {
  await node.run(
    "sh",
    "-ec",
    `cd /proc/sys/net/ipv4/conf; for x in ${links}; do echo ${value} > $x/rp_filter; done`,
  );
}

beforeEach(async () => {
  node = await startNode();
  await filterReversePaths("all default", 1);
  await node.run("ip", "-n", "outside", "route", "add", "10.244.0.0/15", "via", hostAddress);
  await node.run("ip", "-n", "outside", "route", "add", "fd00:10::/32", "via", hostAddress6);
});
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
  await node.stop();
});

describe.skipIf(cannotRun("sbr", ["sbr"]))("sbr behind podwire", () => {
  describe.each(versions)("in CNI %s", (version) => {
    /** A pod with eth0 in podnet and net1 in another network, and its addresses there. */
    async function addPod(
      others: Conflist["plugins"],
    ): Promise<{ net1: Chain; addresses: [string, string] }> {
      await node.addPod("pod1");
      await chain(node, podwireThen(version), { container: "pod1" }).add();
      const list = { cniVersion: version, name: "othernet", plugins: [second, ...others] };
      const net1 = chain(node, list, { container: "pod1", ifname: "net1" });
      const addresses = addressesOf(await net1.add());
      servers.push(await serve(node, "pod1", 80, "pod1"));
      return { net1, addresses };
    }

    test("makes net1's address answer from outside", async () => {
      const [address] = (await addPod([{ type: "sbr" }])).addresses;
      expect(await ask(node, { from: "outside", to: address, port: 80 })).toMatchObject({ name: "pod1" });
      const way = await node.runIn("pod1", "ip", "route", "get", "203.0.113.1", "from", address);
      expect(way).toContain("dev net1");
      expect(await node.runIn("pod1", "ip", "route", "get", "203.0.113.1")).toContain("dev eth0");
    });

    test("is what makes it: without sbr answers leave by eth0 and arrive only if the host lets them", async () => {
      const [address] = (await addPod([])).addresses;
      const way = await node.runIn("pod1", "ip", "route", "get", "203.0.113.1", "from", address);
      expect(way).toContain("dev eth0");
      const question = { from: "outside", to: address, port: 80 };
      expect((await tryToAsk(node, { ...question, patience: 2 })).exitCode).toBe(1);
      await filterReversePaths("*", 0);
      expect(await ask(node, question)).toMatchObject({ name: "pod1" });
    });

    if (hasCheck(version))
      test("does not disturb podwire's CHECK", async () => {
        await (await addPod([{ type: "sbr" }])).net1.check();
      });

    test("leaves nothing of net1 after DEL, and eth0 as it was", async () => {
      await node.addPod("pod1");
      const eth0 = chain(node, podwireThen(version), { container: "pod1" });
      await eth0.add();
      const before = await tracesOf(node);
      const rules = await node.runIn("pod1", "ip", "rule");
      const list = { cniVersion: version, name: "othernet", plugins: [second, { type: "sbr" }] };
      const net1 = chain(node, list, { container: "pod1", ifname: "net1" });
      await net1.add();
      await net1.del();
      expect(await leftSince(before, node)).toEqual([]);
      expect(await node.runIn("pod1", "ip", "rule")).toBe(rules);
      await node.runIn("pod1", "ping", "-c", "1", "-w", "5", hostAddress);
      if (hasCheck(version)) await eth0.check();
    });
  });
});
