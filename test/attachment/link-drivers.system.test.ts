// STATUS says of a kernel that cannot make a kind of link what it says of itself when one is to be made, and makes none.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { configure, examine, startConfiguredNode } from "../cli/examination.ts";
import { cannotMakeNodes } from "../cli/root.ts";
import { cni, network } from "../fixture/calls.ts";
import { expectFailure } from "../fixture/failure.ts";
import type { TestNode } from "../fixture/node.ts";
import { datapathTypeHere, hasOpenVswitch, startOpenVswitch } from "../fixture/open-vswitch.ts";

describe.skipIf(cannotMakeNodes("drivers of links"))("STATUS of a network whose pods or overlay need", () => {
  let node: TestNode;
  beforeAll(async () => {
    node = await startConfiguredNode();
    await node.run("ip", "link", "add", "under0", "type", "veth", "peer", "name", "under1");
    await node.run("ip", "address", "add", "192.0.2.1/24", "dev", "under0");
    await node.run("ip", "link", "set", "under0", "up");
    if (hasOpenVswitch) await startOpenVswitch(node);
  });
  afterAll(async () => node?.stop());

  const datapathType = datapathTypeHere();
  const overlay = (type: string) => ({ overlay: { type, underlay: "under0" } });

  type Case = [kind: string, words: string, entry: Record<string, unknown>];
  const cases: Case[] = [
    ["ipvlan", "link under0 type ipvlan", { datapath: "ipvlan", ipvlan: { master: "under0" } }],
    ["vxlan", "type vxlan id 7 local 192.0.2.1 dstport 4789", overlay("vxlan")],
    ["geneve", "type geneve id 7 remote 192.0.2.2", overlay("geneve")],
    ...(hasOpenVswitch
      ? [["vlan", "link under0 type vlan id 7", { datapath: "ovs", ovs: { datapathType, vlan: 7 } }] as Case]
      : []),
  ];

  test.each(cases)(
    "%s links is 50 if and only if the kernel has no driver for them",
    async (kind, words, entry) => {
      const links = await node.run("ip", "-o", "link");
      const { stdout, ...answer } = await cni(node, { verb: "STATUS", config: network(entry) });
      expect(await node.run("ip", "-o", "link")).toBe(links);
      const made = await node.attempt("ip", ["link", "add", "name", "real0", ...words.split(" ")]);
      if (made.exitCode === 0) {
        await node.run("ip", "link", "delete", "real0");
        expect(stdout).toBe("");
      } else {
        expect(made.stderr).toMatch(/Unknown device type|not supported/);
        expectFailure(
          { stdout, ...answer },
          50,
          `no driver for links of type ${kind}`,
          /install its module \w+/,
        );
        configure(node, entry);
        expect((await examine(node)).level("drivers for network podnet")).toEqual(["error"]);
        const { datapath } = entry as { datapath?: string };
        if (datapath === undefined) return;
        if (!(await node.has("/run/netns/pod1"))) await node.addPod("pod1");
        const added = await cni(node, { verb: "ADD", config: network(entry) });
        expectFailure(added, 100, `no driver for links of type ${kind}`);
      }
    },
  );
});
