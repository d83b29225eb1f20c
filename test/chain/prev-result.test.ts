// podwire as a later element: behind a plugin whose result it must carry on, with every address still
// pointing at its own interface, which the plugins after it rely on.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { succeed } from "../fixture/calls.ts";
import { chain, hasCheck, type Result, versions } from "../fixture/conflist.ts";
import { hostAddress, referencePluginDir, startNode, type TestNode } from "../fixture/node.ts";
import { addressesOf, podwire, podwireThen } from "./podnet.ts";
import { cannotRun } from "./prerequisites.ts";
import { leftSince, tracesOf } from "./traces.ts";
import { ask, type Server, serve } from "./traffic.ts";

const portmap = { type: "portmap", capabilities: { portMappings: true }, snat: true };
const capabilityArgs = { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: "tcp" }] };

let node: TestNode;
const servers: Server[] = [];
beforeEach(async () => {
  node = await startNode();
});
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
  await node.stop();
});

/** Name of the interface that each address belongs to. */
function ownersOf(result: Result): Record<string, string | undefined> {
  return Object.fromEntries(
    result.ips.map(({ address, interface: index }) => [address, result.interfaces[index ?? -1]?.name]),
  );
}

describe.skipIf(cannotRun("podwire behind others", ["loopback", "bridge", "portmap", "static", "tuning"]))(
  "podwire behind another plugin",
  () => {
    describe.each(versions)("in CNI %s", (version) => {
      test("adds to loopback's result, and portmap finds the pod's address by it", async () => {
        const before = await tracesOf(node);
        await node.addPod("pod1");
        const plugins = [{ type: "loopback" }, podwire, portmap];
        const list = { cniVersion: version, name: "podnet", plugins };
        const pod = chain(node, list, { container: "pod1", capabilityArgs });
        const result = await pod.add();
        expect(result.interfaces.map(({ name }) => name)).toEqual([
          "lo",
          expect.stringMatching(/^pw/),
          "eth0",
        ]);
        expect(ownersOf(result)).toEqual({
          "127.0.0.1/8": "lo",
          "::1/128": "lo",
          "10.244.1.2/32": "eth0",
          "fd00:10:244:1::2/128": "eth0",
        });
        servers.push(await serve(node, "pod1", 80, "pod1"));
        expect(await ask(node, { from: "outside", to: hostAddress, port: 8080 })).toMatchObject({
          name: "pod1",
        });
        if (hasCheck(version)) for (const type of ["loopback", "podwire"]) await pod.check(type);
        await pod.del();
        expect(await leftSince(before, node)).toEqual([]);
        await pod.del();
      });

      test("adds to the result of a bridge with another interface of the pod", async () => {
        await node.addPod("pod1");
        const bridge = {
          cniVersion: version,
          name: "bridgenet",
          type: "bridge",
          bridge: "cni0",
          ipam: { type: "static", addresses: [{ address: "10.250.0.5/24", gateway: "10.250.0.1" }] },
        };
        const common = { container: "pod1", ifname: "net0" };
        const { json: prevResult } = await succeed(node, {
          ...common,
          verb: "ADD",
          config: bridge,
          plugin: `${referencePluginDir}/bridge`,
        });
        const config = { ...podwire, cniVersion: version, name: "podnet", prevResult };
        const { json: result } = await succeed(node, { verb: "ADD", container: "pod1", config });
        expect(ownersOf(result)).toMatchObject({ "10.250.0.5/24": "net0", "10.244.1.2/32": "eth0" });
        expect(result.interfaces.slice(0, prevResult.interfaces.length)).toEqual(prevResult.interfaces);
        if (hasCheck(version))
          await succeed(node, {
            verb: "CHECK",
            container: "pod1",
            config: { ...config, prevResult: result },
          });
        await succeed(node, { verb: "DEL", container: "pod1", config: { ...config, prevResult: result } });
        const left = JSON.parse(await node.run("ip", "-n", "pod1", "-json", "address", "show", "net0"));
        expect(left[0].addr_info).toContainEqual(expect.objectContaining({ local: "10.250.0.5" }));
      });

      test("refuses the interface name that a bridge before it took, and DEL of the chain clears up", async () => {
        const before = await tracesOf(node);
        await node.addPod("pod1");
        const ipam = { type: "static", addresses: [{ address: "10.250.0.5/24" }] };
        const plugins = [{ type: "bridge", bridge: "cni0", ipam }, podwire];
        const pod = chain(node, { cniVersion: version, name: "podnet", plugins }, { container: "pod1" });
        await expect(pod.add()).rejects.toThrow(/podwire ADD failed[\s\S]*eth0/);
        const [taken] = JSON.parse(await node.run("ip", "-n", "pod1", "-json", "address", "show", "eth0"));
        expect(taken.addr_info).toContainEqual(expect.objectContaining({ local: "10.250.0.5" }));
        await pod.del();
        const left = await leftSince(before, node);
        // The bridge plugin keeps its bridge.
        expect(left.filter((line) => !line.includes("cni0"))).toEqual([]);
      });

      test("is taken down by DEL of a chain whose ADD failed after it", async () => {
        const before = await tracesOf(node);
        await node.addPod("pod1");
        const broken = { type: "tuning", sysctl: { "net.ipv4.no_such_setting": "1" } };
        const pod = chain(node, podwireThen(version, broken), { container: "pod1" });
        await expect(pod.add()).rejects.toThrow(/tuning ADD failed/);
        await pod.del();
        expect(await leftSince(before, node)).toEqual([]);
        const retried = chain(node, podwireThen(version), { container: "pod1" });
        expect(addressesOf(await retried.add())[0]).toMatch(/^10\.244\.1\./);
      });
    });
  },
);
