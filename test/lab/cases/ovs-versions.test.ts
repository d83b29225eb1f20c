// The versions of Open vSwitch that are promised besides the machine's own, each with its daemons and its programs: what
// each prints of a flow must be what podwire wrote, and what it does must be what pods need. On this machine's kernel its
// switch is in userspace; for a release it meets the kernel of its own Debian.
import { beforeAll, describe, expect, test } from "vitest";
import { baseFlows, podFlows, trunkFlows } from "../../../src/datapath/ovs-flows.ts";
import { flowKey, flowLines, parseFlow } from "../../../src/plan/ovs/lines.ts";
import type { OvsFlow } from "../../../src/plan/plan.ts";
import { ask, serve } from "../../chain/traffic.ts";
import { hostAddress, hostAddress6 } from "../../fixture/node.ts";
import { type OvsPod, ovsNetwork, sharedOvsNode } from "../../fixture/ovs-pods.ts";
import { groupsOf, ofOpenVswitch } from "../fixture/conformance-groups.ts";
import { testGroupsInGuests } from "../fixture/in-guest.ts";
import { testedKernels } from "../fixture/kernels.ts";
import { cannotRunFullLab, cannotRunLab, sharedLab } from "../fixture/shared-lab.ts";
import { type OpenVswitchVersion, openVswitchOf, openVswitchSuites } from "../image/open-vswitch.ts";

const versions = Object.keys(openVswitchSuites) as OpenVswitchVersion[];

describe.skipIf(cannotRunLab("other versions of Open vSwitch"))("Open vSwitch", () => {
  describe.each(versions)("%s", (version) => {
    const own = sharedOvsNode(() => openVswitchOf(version));
    const plain = ovsNetwork();
    const rich = ovsNetwork(
      { trunk: [100, 200], antiSpoofing: false },
      { name: "richnet", ipam: subnets(2) },
    );
    let pods: readonly [OvsPod, OvsPod, OvsPod];
    beforeAll(async () => {
      pods = [await own.pod("pod1", plain), await own.pod("pod2", plain), await own.pod("pod3", rich)];
    });
    const checked = () => [own.check(pods[0], plain), own.check(pods[1], plain), own.check(pods[2], rich)];
    const ping = (to: string) => ["ping", "-c", "1", "-W", "3", to] as const;

    test("is what runs and what is called", async () => {
      for (const program of ["ovs-vsctl", "ovs-ofctl", "ovs-appctl"])
        expect(await own.ovs.run(program, "--version")).toContain(`Open vSwitch) ${version}.`);
      expect(await own.ovs.run("ovs-appctl", "version")).toContain(`Open vSwitch) ${version}.`);
    });

    test("prints the flows as podwire wrote them, so that CHECK finds nothing", async () => {
      for (const answer of await Promise.all(checked())) expect(answer.stdout).toBe("");
    });

    test("prints every flow that podwire can write as it was written, also those of VLANs", async () => {
      const at = { kind: "ovs-flows", where: "host", database: own.ovs.database, bridge: "every" } as const;
      const bridge = "add-br every -- set Bridge every datapath_type=netdev";
      const port = "add-port every pwevery -- set Interface pwevery type=internal";
      await own.ovs.run("ovs-vsctl", ...`${bridge} -- ${port}`.split(" "));
      const plans = [0, 10].flatMap((vlan) => [true, false].map((flag) => everyFlow(vlan, flag)));
      for (const flows of plans) {
        const lines = flowLines({ ...at, cookie: "0x7077000000000001", flows }).join("\n");
        await own.node.run("sh", "-c", `echo '${lines}' > /run/flows`);
        await own.ovs.run(
          "ovs-ofctl",
          "-O",
          "OpenFlow13,OpenFlow14",
          "--bundle",
          "add-flows",
          "every",
          "/run/flows",
        );
        const printed = (await own.flows("every")).map((line) => parseFlow(line)?.flow);
        const keys = printed.flatMap((flow) => (flow === undefined ? [] : flowKey(flow)));
        expect(keys.sort()).toEqual(flows.map(flowKey).sort());
      }
      await own.ovs.run("ovs-vsctl", "del-br", "every");
    });

    test("shows CHECK a flow that was changed", async () => {
      const match = `table=241,ip,nw_dst=${pods[0].addresses[0]}`;
      await own.ovs.run("ovs-ofctl", "-O", "OpenFlow13", "del-flows", "podwire0", match);
      expect((await own.check(pods[0], plain)).json?.code).toBe(104);
      const { exitCode, stdout } = await own.apply();
      expect(exitCode, stdout).toBe(0);
      expect((await own.check(pods[0], plain)).stdout).toBe("");
    });

    test("carries whole transfers of both families between pods, and to the host", async () => {
      const servers = [
        await serve(own.node, "pod2", 7000, "pod2"),
        await serve(own.node, undefined, 7000, "host"),
      ];
      try {
        for (const to of [...pods[1].addresses, hostAddress, hostAddress6]) {
          const { received } = await ask(own.node, { from: "pod1", to, port: 7000, bytes: 5_000_000 });
          expect(received).toBe(5_000_000);
        }
      } finally {
        for (const server of servers) await server.stop();
      }
    });

    test("answers ARP and neighbour discovery of pods and of the host", async () => {
      await own.node.runIn("pod1", "ip", "neighbour", "flush", "all", "nud", "permanent");
      for (const address of pods[0].addresses)
        await own.node.run("ip", "neighbour", "delete", address, "dev", "podwire0");
      for (const to of [hostAddress, hostAddress6, ...pods[1].addresses])
        await own.node.runIn("pod1", ...ping(to));
      for (const to of pods[0].addresses) await own.node.run(...ping(to));
    });

    test("refuses what is wrong in words that podwire passes on, and nothing of it stays", async () => {
      await own.node.addPod("pod4");
      const before = [await own.flows(), await own.ports()];
      await own.node.run("ip", "link", "add", "dummy0", "type", "bridge");
      await expect(own.pod("pod4", ovsNetwork({ bridge: "dummy0" }))).rejects.toThrow(/"code": 107/);
      expect([await own.flows(), await own.ports()]).toEqual(before);
    });

    test("gets its pods back after a restart", async () => {
      await own.ovs.end("ovs-vswitchd", "SIGKILL");
      await own.ovs.begin("ovs-vswitchd");
      const { exitCode, stdout } = await own.apply();
      expect(exitCode, stdout).toBe(0);
      for (const answer of await Promise.all(checked())) expect(answer.stdout).toBe("");
      for (const to of [hostAddress, hostAddress6, ...pods[1].addresses])
        await own.node.runIn("pod1", ...ping(to));
    });

    test("has nothing left of pods that are deleted", async () => {
      await own.del("pod1", plain);
      expect((await own.flows()).join("\n")).not.toContain(pods[0].mac);
      await own.del("pod3", rich);
      await own.gc([], plain);
      await own.expectNothingLeft();
    });
  });
});

const kernels = { "2.15": "5.10", "3.5": "6.12" } as const;

describe
  .skipIf(cannotRunFullLab("other versions of Open vSwitch in the kernel"))
  .each(versions.filter((version) => testedKernels.includes(kernels[version])))(
  "Open vSwitch %s in the kernel",
  (version) => {
    const kernel = kernels[version];
    const lab = sharedLab({ kernel, payload: "tests", openVswitch: version, memory: 2048 });
    const groups = [...ofOpenVswitch, ...groupsOf("ovs", false)].map(
      (names) => ({ datapath: "ovs", names }) as const,
    );

    testGroupsInGuests(lab, groups, `Open vSwitch ${version}, kernel ${kernel}`);
  },
);

function everyFlow(vlan: number, flag: boolean): OvsFlow[] {
  const mac = "0a:00:00:00:00:01";
  const ips = ["10.1.1.1", "fd00::1"];
  const pod = {
    port: "pwevery",
    mac,
    localMac: mac,
    ips,
    mtu: 1450,
    vlan,
    trunk: [100],
    antiSpoofing: flag,
    answersAll: flag,
  };
  return [...baseFlows(mac), ...trunkFlows(100), ...podFlows(pod)];
}

function subnets(number: number): object {
  return {
    type: "host-local",
    ranges: [[{ subnet: `10.24${4 + number}.1.0/24` }], [{ subnet: `fd00:10:24${4 + number}:1::/64` }]],
    routes: [{ dst: "0.0.0.0/0" }, { dst: "::/0" }],
  };
}
