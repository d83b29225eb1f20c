// IPAM by the reference set's plugins, which podwire delegates to: static, host-local under another name
// (so that it is not the one in process), and dhcp, which a routed datapath cannot serve.
import { copyFileSync, mkdirSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { dualStackIpam } from "../fixture/calls.ts";
import { chain, type Entry, hasCheck, versions } from "../fixture/conflist.ts";
import { hostAddress, hostAddress6, referencePluginDir, startNode, type TestNode } from "../fixture/node.ts";
import { startDhcpDaemon } from "./dhcp-daemon.ts";
import { addressesOf, podwireThen } from "./podnet.ts";
import { cannotRun } from "./prerequisites.ts";
import { leftSince, tracesOf } from "./traces.ts";

let node: TestNode;
beforeEach(async () => {
  node = await startNode();
});
afterEach(async () => node.stop());

const ping = (to: string) => node.runIn("pod1", "ping", "-c", "1", "-w", "5", to);
const list = (cniVersion: (typeof versions)[number], ipam: object, more: object = {}) => ({
  cniVersion,
  name: "podnet",
  plugins: [{ type: "podwire", ipam, ...more } as Entry],
});

describe.skipIf(cannotRun("IPAM static", ["static"]))("with static addresses", () => {
  const dns = {
    nameservers: ["192.0.2.53"],
    domain: "example.org",
    search: ["example.org"],
    options: ["rotate"],
  };
  const ipam = {
    type: "static",
    addresses: [{ address: "10.246.0.5/24", gateway: "10.246.0.1" }, { address: "fd00:246::5/64" }],
    routes: [{ dst: "0.0.0.0/0" }, { dst: "203.0.113.0/24", gw: "10.246.0.1" }, { dst: "::/0" }],
    dns,
  };

  describe.each(versions)("in CNI %s", (version) => {
    test("a pod has the addresses, routes and DNS settings, and nothing is left after DEL", async () => {
      const before = await tracesOf(node);
      await node.addPod("pod1");
      const pod = chain(node, list(version, ipam), { container: "pod1" });
      const result = await pod.add();
      expect(addressesOf(result)).toEqual(["10.246.0.5", "fd00:246::5"]);
      expect(result.dns).toEqual(dns);
      expect(result.routes?.map(({ dst }) => dst)).toEqual(
        expect.arrayContaining(["0.0.0.0/0", "203.0.113.0/24", "::/0"]),
      );
      expect(await node.runIn("pod1", "ip", "route", "get", "203.0.113.9")).toContain("dev eth0");
      for (const address of [hostAddress, hostAddress6]) await ping(address);
      if (hasCheck(version)) await pod.check();
      await pod.del();
      expect(await leftSince(before, node)).toEqual([]);
      await pod.del();
    });

    test("a runtime's ips capability reaches static", async () => {
      await node.addPod("pod1");
      const config = list(
        version,
        { type: "static", routes: [{ dst: "0.0.0.0/0" }] },
        { capabilities: { ips: true } },
      );
      const capabilityArgs = { ips: ["10.246.0.77/24"] };
      const pod = chain(node, config, { container: "pod1", capabilityArgs });
      expect(addressesOf(await pod.add())[0]).toBe("10.246.0.77");
      await ping(hostAddress);
      if (hasCheck(version)) await pod.check();
    });

    test("CNI_ARGS with IP and GATEWAY reach static", async () => {
      await node.addPod("pod1");
      const config = list(version, { type: "static", routes: [{ dst: "0.0.0.0/0" }] });
      const pod = chain(node, config, { container: "pod1", args: "IP=10.246.0.78/24;GATEWAY=10.246.0.1" });
      expect(addressesOf(await pod.add())[0]).toBe("10.246.0.78");
      await ping(hostAddress);
      if (hasCheck(version)) await pod.check();
    });
  });
});

describe.skipIf(cannotRun("IPAM by an external host-local", ["host-local"]))("with an external IPAM", () => {
  const pluginDirs = ["/run/more-plugins"];
  const external = { ...dualStackIpam, type: "address-office" };
  beforeEach(() => {
    mkdirSync(node.file("/run/more-plugins"));
    copyFileSync(`${referencePluginDir}/host-local`, node.file("/run/more-plugins/address-office"));
  });

  describe.each(versions)("in CNI %s", (version) => {
    test("pods get distinct addresses, which are released by DEL", async () => {
      const before = await tracesOf(node);
      const pods = ["pod1", "pod2"].map((container) =>
        chain(node, list(version, external), { container, pluginDirs }),
      );
      await node.addPod("pod1");
      await node.addPod("pod2");
      const addresses: string[] = [];
      for (const pod of pods) addresses.push(...addressesOf(await pod.add()));
      expect(new Set(addresses).size).toBe(4);
      for (const address of addresses) {
        await ping(address);
        expect(await leftSince(before, node)).toContain(`file /var/lib/cni/networks/podnet/${address}`);
      }
      for (const pod of pods) {
        if (hasCheck(version)) await pod.check();
        await pod.del();
        await pod.del();
      }
      expect(await leftSince(before, node)).toEqual([]);
    });

    test("its error is passed on with its words, and leaves nothing", async () => {
      const before = await tracesOf(node);
      await node.addPod("pod1");
      const broken = list(version, { type: "address-office", ranges: [[{ subnet: "10.244.1.0/32" }]] });
      const pod = chain(node, broken, { container: "pod1", pluginDirs });
      await expect(pod.add()).rejects.toThrow(/address-office ADD: .*10\.244\.1\.0/);
      expect(await leftSince(before, node)).toEqual([]);
    });
  });
});

describe.skipIf(cannotRun("IPAM dhcp", ["dhcp"]))(
  "with DHCP, which needs a link that a routed pod has not",
  () => {
    describe.each(versions)("in CNI %s", (version) => {
      async function expectCleanFailure(message: RegExp): Promise<void> {
        await node.addPod("pod1");
        const before = await tracesOf(node);
        const pod = chain(node, list(version, { type: "dhcp" }), { container: "pod1" });
        await expect(pod.add()).rejects.toThrow(message);
        expect(await leftSince(before, node)).toEqual([]);
        await chain(node, podwireThen(version), { container: "pod1" }).add();
      }

      test("without its daemon ADD fails, says so, leaves nothing, and another IPAM can wire the pod", async () => {
        await expectCleanFailure(/dhcp ADD: error dialing DHCP daemon/);
      });

      test("with its daemon ADD fails for want of the link, leaves nothing, and another IPAM can wire the pod", async () => {
        const daemon = await startDhcpDaemon(node);
        try {
          await expectCleanFailure(/dhcp ADD: .*Link not found/);
        } finally {
          await daemon.stop();
        }
      });
    });
  },
);
