// `podwire status` on a node with pods, through the built executable.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { dualStackIpam, network, succeed } from "../fixture/calls.ts";
import { executable, startNode, type TestNode } from "../fixture/node.ts";
import { attachmentStates, hostLinkOf, recordOf } from "./attached.ts";
import { cannotMakeNodes } from "./root.ts";

const config = network({ ipMasq: true, ipam: dualStackIpam });

describe.skipIf(cannotMakeNodes("podwire status"))("podwire status", () => {
  let node: TestNode;
  beforeEach(async () => {
    node = await startNode();
  });
  afterEach(async () => node.stop());

  const addPod = async (name: string, args = "") => {
    await node.addPod(name);
    await succeed(node, { verb: "ADD", container: name, config, args });
  };

  test("says so when there are no attachments", async () => {
    expect(await node.run(executable, "status")).toBe("no attachments on this node");
    expect(await node.run(executable, "status", "--json")).toBe("[]");
  });

  test("shows each attachment in a line, with its pod, addresses and link, and that it is as it was made", async () => {
    await addPod("a1b2c3d4e5f6a7b8", "K8S_POD_NAMESPACE=shop;K8S_POD_NAME=till-0");
    await addPod("pod2");
    const { stdout, stderr, exitCode } = await node.attempt(executable, ["status"]);
    const link = await hostLinkOf(node, "a1b2c3d4e5f6a7b8");
    expect(stdout.split("\n")).toEqual([
      expect.stringMatching(
        /^NETWORK +CONTAINER +POD +INTERFACE +ADDRESSES +HOST-LINK +DATAPATH +AGE +STATE$/,
      ),
      expect.stringMatching(
        `^podnet +a1b2c3d4e5f6 +shop/till-0 +eth0 +10.244.1.2,fd00:10:244:1::2 +${link} +veth +[0-9]+s +ok$`,
      ),
      expect.stringMatching(/^podnet +pod2 +- +eth0 +10.244.1.3,fd00:10:244:1::3 +pw[0-9a-f]{13} .* ok$/),
    ]);
    expect(stderr).toBe("");
    expect(exitCode).toBe(0);
  });

  test("names what differs from the plan, of that attachment alone, and exits with 1", async () => {
    await addPod("pod1");
    await addPod("pod2");
    await node.run("ip", "route", "delete", "10.244.1.2/32");
    await node.runIn("pod1", "ip", "address", "delete", "fd00:10:244:1::2/128", "dev", "eth0");
    const { stdout, exitCode } = await node.attempt(executable, ["status"]);
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(/pod1 .* failed\n.*pod2 .* ok\n/);
    expect(stdout).toContain("podnet/pod1/eth0: failed\n");
    expect(stdout).toContain("route 10.244.1.2/32");
    expect(stdout).toContain("address fd00:10:244:1::2/128 of eth0 in the pod: expected");
    expect(await attachmentStates(node)).toEqual({ pod1: "failed", pod2: "ok" });
  });

  test("counts a missing masquerading rule as a fault", async () => {
    await addPod("pod1");
    await node.run("nft", "delete", "table", "inet", "podwire");
    const { stdout, exitCode } = await node.attempt(executable, ["status"]);
    expect(exitCode).toBe(1);
    expect(stdout).toContain("masquerading of 10.244.1.2");
  });

  test("shows a change that a chained plugin may have made, but does not count it as a fault", async () => {
    await addPod("pod1");
    await node.runIn("pod1", "ip", "link", "set", "eth0", "mtu", "1400");
    const { stdout, exitCode } = await node.attempt(executable, ["status"]);
    expect(stdout).toContain("podnet/pod1/eth0: changed\n");
    expect(stdout).toContain("expected mtu 1500, found mtu 1400");
    expect(exitCode).toBe(0);
  });

  test("tells stale, unfinished and torn attachments apart", async () => {
    for (const name of ["alive", "gone", "killed", "torn"]) await addPod(name);
    await node.run("ip", "netns", "delete", "gone");
    recordOf(node, "killed").rewrite({ state: "adding" });
    recordOf(node, "torn").overwrite('{"format": 1');
    expect(await attachmentStates(node)).toEqual({
      alive: "ok",
      gone: "stale",
      killed: "unfinished",
      torn: "torn",
    });
    expect((await node.attempt(executable, ["status"])).exitCode).toBe(0);
  });

  test("takes an attachment from before a reboot for stale, though its netns path exists", async () => {
    await addPod("pod1");
    recordOf(node, "pod1").rewrite({ bootId: "00000000-0000-0000-0000-000000000000" });
    expect(await attachmentStates(node)).toEqual({ pod1: "stale" });
  });

  test("verifies many pods without a word on stderr", async () => {
    for (let index = 0; index < 20; index++) await addPod(`pod${index}`);
    const { stdout, stderr } = await node.attempt(executable, ["status"]);
    expect(stdout.match(/ ok$/gm)).toHaveLength(20);
    expect(stderr).toBe("");
  });

  test("prints no colours where there is no terminal", async () => {
    await addPod("pod1");
    expect(await node.run(executable, "status")).not.toContain("\x1b");
  });
});
