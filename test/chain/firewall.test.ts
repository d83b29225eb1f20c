// firewall after podwire, with its iptables backend: on a node whose FORWARD chain drops by default, pods
// are reachable because firewall opens it for the addresses in podwire's result.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { chain, hasCheck, versions } from "../fixture/conflist.ts";
import { outsideAddress, outsideAddress6, startNode, type TestNode } from "../fixture/node.ts";
import { addressesOf, podwire, podwireThen } from "./podnet.ts";
import { cannotRun } from "./prerequisites.ts";
import { leftSince, tracesOf } from "./traces.ts";

const firewall = { type: "firewall", backend: "iptables" };

let node: TestNode;
beforeEach(async () => {
  node = await startNode();
  for (const iptables of ["iptables", "ip6tables"]) await node.run(iptables, "-P", "FORWARD", "DROP");
});
afterEach(async () => node.stop());

/** The deadline is long because the node's own IPv6 needs a moment after its start. */
const ping = (from: string, to: string, seconds: number) =>
  node.attempt("nsenter", [`--net=/run/netns/${from}`, "--", "ping", "-c", "1", "-w", `${seconds}`, to]);

describe.skipIf(cannotRun("firewall", ["firewall"]))("firewall behind podwire", () => {
  // firewall itself knows nothing older than 0.4.0.
  describe.each(versions.filter(hasCheck))("in CNI %s", (version) => {
    const masqueraded = { ...podwire, ipMasq: true };
    const list = { cniVersion: version, name: "podnet", plugins: [masqueraded, firewall] };

    test("opens a closed FORWARD chain for its pods only, in both families, and passes CHECK", async () => {
      await node.addPod("pod1");
      await node.addPod("pod2");
      const pod = chain(node, list, { container: "pod1" });
      await pod.add();
      await chain(node, { ...list, plugins: [masqueraded] }, { container: "pod2" }).add();
      for (const to of [outsideAddress, outsideAddress6]) {
        expect(await ping("pod1", to, 10)).toMatchObject({ exitCode: 0 });
        expect(await ping("pod2", to, 1)).toMatchObject({ exitCode: 1 });
      }
      await pod.check();
    });

    test("leaves nothing of the pod after DEL, however often", async () => {
      const before = await tracesOf(node);
      await node.addPod("pod1");
      const pod = chain(node, podwireThen(version, firewall), { container: "pod1" });
      const addresses = addressesOf(await pod.add());
      await pod.del();
      expect({ left: await leftSince(before, node), of: addresses }).toEqual({ left: [], of: addresses });
      await pod.del();
    });
  });
});
