// The configuration changes while pods run, and names are whatever the kernel allows: each pod is deleted from where it was
// put, whoever is told to do it.
import { describe, expect, test } from "vitest";
import { cni, dualStackIpam, network } from "../fixture/calls.ts";
import { hasOpenVswitch, startOpenVswitch } from "../fixture/open-vswitch.ts";
import { type OvsPod, ovsNetwork, ovsNode, sharedOvsNode } from "../fixture/ovs-pods.ts";

describe.skipIf(!hasOpenVswitch)("a pod of an Open vSwitch bridge", () => {
  const own = ovsNode();
  const veth = network({ datapath: "veth", ipMasq: true, ipam: dualStackIpam });

  test.each([
    ["another bridge", ovsNetwork({ bridge: "br-new" })],
    ["another database", ovsNetwork({ database: "unix:/run/elsewhere/db.sock" })],
    ["no anti-spoofing", ovsNetwork({ antiSpoofing: false })],
    ["veth", veth],
  ])("is deleted by a configuration that has changed to %s, and nothing is left", async (_, changed) => {
    await own.pod("pod1");
    const answer = await own.del("pod1", changed);
    expect(answer.exitCode, answer.stdout).toBe(0);
    await own.expectNothingLeft();
  });

  test.each([
    ["another bridge", ovsNetwork({ bridge: "br-new" })],
    ["veth", veth],
  ])("is collected by a configuration that has changed to %s, and nothing is left", async (_, changed) => {
    await own.pod("pod1");
    const answer = await own.gc([], changed);
    expect(answer.exitCode, answer.stdout).toBe(0);
    await own.expectNothingLeft();
  });

  test("is one of a node whose node.json says so, beside pods of what it said before and says later", async () => {
    const { datapath: _, ovs, ...config } = ovsNetwork();
    const choose = (entry: object) =>
      own.node.attempt("tee", ["/etc/podwire/node.json"], { input: JSON.stringify(entry) });
    const pods: OvsPod[] = [];
    for (const [index, entry] of [{ datapath: "veth" }, { datapath: "ovs", ovs }, {}].entries()) {
      await choose(entry);
      pods.push(await own.pod(`pod${index + 1}`, config));
    }
    expect(await own.ports()).toEqual([await own.portOf("pod2")]);
    for (const from of pods) {
      expect((await own.check(from, config)).stdout).toBe("");
      for (const to of pods.filter((each) => each !== from)) {
        for (const address of to.addresses)
          await own.node.runIn(from.name, "ping", "-c", "1", "-W", "3", address);
      }
    }
    expect((await own.gc(["pod1", "pod2", "pod3"], config)).stdout).toBe("");
    for (const { name } of pods) expect((await own.del(name, config)).stdout).toBe("");
    await own.expectNothingLeft();
  });

  test("is collected without its record by a configuration with another bridge", async () => {
    await own.pod("pod1");
    await own.node.run("sh", "-c", "rm -r /var/lib/podwire/podnet");
    const answer = await own.gc([], ovsNetwork({ bridge: "br-new" }));
    expect(answer.exitCode, answer.stdout).toBe(0);
    await own.expectNothingLeft();
  });

  test("reaches pods of veth and of another bridge on the node, both ways", async () => {
    const subnets = (number: number) => ({
      ipam: {
        ...dualStackIpam,
        ranges: [[{ subnet: `10.24${number}.1.0/24` }], [{ subnet: `fd00:10:24${number}:1::/64` }]],
      },
    });
    const pods = [
      await own.pod("pod1"),
      await own.pod("pod2", ovsNetwork({ bridge: "br-new" }, { name: "newnet", ...subnets(5) })),
      await own.pod("pod3", { ...veth, name: "vethnet", ...subnets(6) }),
    ];
    for (const from of pods) {
      for (const to of pods.filter((each) => each !== from)) {
        for (const address of to.addresses)
          await own.node.runIn(from.name, "ping", "-c", "1", "-W", "3", address);
      }
    }
  });

  test("lives in the database that its configuration names, beside another Open vSwitch", async () => {
    const elsewhere = await startOpenVswitch(own.node, "/run/elsewhere");
    const config = ovsNetwork({ database: elsewhere.database });
    const pod = await own.pod("pod1", config);
    expect(await own.bridges()).toEqual([]);
    expect(await elsewhere.run("ovs-vsctl", `--db=${elsewhere.database}`, "list-br")).toBe("podwire0");
    expect((await own.check(pod, config)).stdout).toBe("");
    for (const to of pod.addresses) await own.node.run("ping", "-c", "1", "-W", "3", to);
    expect((await own.apply()).exitCode).toBe(0);
    expect((await own.del("pod1", config)).stdout).toBe("");
    expect(await elsewhere.run("ovs-vsctl", `--db=${elsewhere.database}`, "list-br")).toBe("");
  });
});

describe.skipIf(!hasOpenVswitch)("a bridge whose name is", () => {
  const own = sharedOvsNode();

  test.each([
    "--help",
    "-t",
    "br;id",
    "br,x=1",
    'br"x',
    "br'x",
    "br{x}",
    "br$(id)",
    "br%s",
    "br|x",
    "@br",
    "*",
    "br:0",
    "tcp:1",
  ])("%s is made, used and removed, or refused before anything is done", async (bridge) => {
    const config = ovsNetwork({ bridge });
    if (!(await own.node.has("/run/netns/pod1"))) await own.node.addPod("pod1");
    const answer = await cni(own.node, { verb: "ADD", config });
    if (answer.exitCode !== 0) {
      expect([7, 107], answer.stdout).toContain(answer.json.code);
    } else {
      expect(await own.bridges()).toEqual([bridge]);
      await own.node.runIn("pod1", "ping", "-c", "1", "-W", "3", "192.0.2.1");
      const checked = await cni(own.node, { verb: "CHECK", config: { ...config, prevResult: answer.json } });
      expect(checked.stdout).toBe("");
    }
    expect((await own.del("pod1", config)).stdout).toBe("");
    await own.expectNothingLeft();
  });
});
