// portmap after podwire: a host port leads to the pod from outside, from the host, from other pods, and
// from the pod itself (hairpin).
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Chain, chain, type Entry, hasCheck, versions } from "../fixture/conflist.ts";
import { hostAddress, hostAddress6, outsideAddress, startNode, type TestNode } from "../fixture/node.ts";
import { addressesOf, podwire } from "./podnet.ts";
import { cannotRun } from "./prerequisites.ts";
import { leftSince, tracesOf } from "./traces.ts";
import { ask, type Server, serve, tryToAsk } from "./traffic.ts";

const portmap = { type: "portmap", capabilities: { portMappings: true }, snat: true };
const capabilityArgs = { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: "tcp" }] };
/** podwire's masquerading must not get between portmap and its pods. */
const cases = [
  ...versions.map((version) => ({ version, ipMasq: false })),
  { version: "1.0.0" as const, ipMasq: true },
];

let node: TestNode;
const servers: Server[] = [];
beforeEach(async () => {
  node = await startNode();
});
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
  await node.stop();
});

describe.skipIf(cannotRun("portmap", ["portmap"]))("portmap behind podwire", () => {
  describe.each(cases)("in CNI $version, with ipMasq $ipMasq", ({ version, ipMasq }) => {
    const list = (...others: Entry[]) => ({
      cniVersion: version,
      name: "podnet",
      plugins: [{ ...podwire, ipMasq }, ...others],
    });

    async function addServingPod(): Promise<{ pod: Chain; addresses: [string, string] }> {
      await node.addPod("pod1");
      const pod = chain(node, list(portmap), { container: "pod1", capabilityArgs });
      const addresses = addressesOf(await pod.add());
      servers.push(await serve(node, "pod1", 80, "pod1"));
      return { pod, addresses };
    }

    test("leads a host port to the pod from outside, which the pod sees as who it is", async () => {
      await addServingPod();
      const answer = await ask(node, { from: "outside", to: hostAddress, port: 8080 });
      expect(answer).toMatchObject({ name: "pod1", caller: outsideAddress });
      expect(await ask(node, { from: "outside", to: hostAddress6, port: 8080 })).toMatchObject({
        name: "pod1",
      });
    });

    test("leads a host port to the pod from the host, also by its loopback address", async () => {
      await addServingPod();
      for (const to of [hostAddress, "127.0.0.1", hostAddress6])
        expect(await ask(node, { from: undefined, to, port: 8080 })).toMatchObject({ name: "pod1" });
    });

    test("leads the pod's own call of its host port back to it, in both families", async () => {
      const { addresses } = await addServingPod();
      const gateways = [hostAddress, hostAddress6];
      for (const to of gateways) {
        const answer = await ask(node, { from: "pod1", to, port: 8080 });
        expect(answer.name).toBe("pod1");
        expect(addresses).not.toContain(answer.caller);
      }
    });

    test("leads another pod's call of the host port to the pod", async () => {
      await addServingPod();
      await node.addPod("pod2");
      await chain(node, list(), { container: "pod2" }).add();
      for (const to of [hostAddress, hostAddress6])
        expect(await ask(node, { from: "pod2", to, port: 8080 })).toMatchObject({ name: "pod1" });
    });

    // portmap 1.1.1's own CHECK looks for each family's rules in both: it fails where both iptables exist.
    if (hasCheck(version))
      test("does not disturb podwire's CHECK", async () => {
        const { pod } = await addServingPod();
        await pod.check("podwire");
      });

    test("leaves nothing after DEL, however often", async () => {
      const before = await tracesOf(node);
      const { pod } = await addServingPod();
      expect((await leftSince(before, node)).filter((line) => line.includes("CNI-DN-"))).not.toEqual([]);
      await pod.del();
      expect(await leftSince(before, node)).toEqual([]);
      expect((await tryToAsk(node, { from: "outside", to: hostAddress, port: 8080 })).exitCode).not.toBe(0);
      await pod.del();
    });
  });
});
