// `podwire gc` on a node with dead attachments, through the built executable.
import fs from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { cni, network, succeed } from "../fixture/calls.ts";
import { executable, replaceNetns, startNode, type TestNode } from "../fixture/node.ts";
import { attachmentStates, hostLinkOf, recordOf } from "./attached.ts";
import { cannotMakeNodes } from "./root.ts";

const config = network({ ipMasq: true });

describe.skipIf(cannotMakeNodes("podwire gc"))("podwire gc", () => {
  let node: TestNode;
  beforeEach(async () => {
    node = await startNode();
  });
  afterEach(async () => node.stop());

  const addPod = async (name: string) => {
    await node.addPod(name);
    await succeed(node, { verb: "ADD", container: name, config });
  };
  const gc = async (...words: string[]) => {
    const { stdout, stderr, exitCode } = await node.attempt(executable, ["gc", "--json", ...words]);
    if (stdout === "") throw new Error(stderr);
    const outcomes = JSON.parse(stdout) as { containerID: string; action: string; why: string }[];
    return {
      exitCode,
      actions: Object.fromEntries(outcomes.map(({ containerID, action }) => [containerID, action])),
      why: outcomes.map(({ why }) => why).join("\n"),
    };
  };
  const leases = () =>
    fs
      .readdirSync(node.file("/var/lib/cni/networks/podnet"))
      .filter((name) => name.startsWith("10."))
      .sort();

  test("has nothing to do on a node whose attachments live", async () => {
    await addPod("pod1");
    expect(await node.run(executable, "gc")).toBe("nothing to remove");
    expect(await attachmentStates(node)).toEqual({ pod1: "ok" });
  });

  test("removes the record, the address and the masquerading of a pod whose netns is gone", async () => {
    await addPod("alive");
    await addPod("gone");
    await node.run("ip", "netns", "delete", "gone");
    expect((await gc()).actions).toEqual({ gone: "removed" });
    expect(recordOf(node, "gone").exists()).toBe(false);
    expect(leases()).toEqual(["10.244.1.2"]);
    expect(await node.run("nft", "list", "table", "inet", "podwire")).not.toContain("10.244.1.3");
    expect(await attachmentStates(node)).toEqual({ alive: "ok" });
  });

  test("removes an attachment whose netns was replaced by another of the same path", async () => {
    await addPod("pod1");
    await node.run("sh", "-e", "-c", replaceNetns("pod1"));
    expect((await gc()).actions).toEqual({ pod1: "removed" });
    await succeed(node, { verb: "ADD", config });
  });

  test("keeps a pod whose netns lives on under another path", async () => {
    await addPod("pod1");
    await node.run("sh", "-c", "touch /run/elsewhere && mount --bind /run/netns/pod1 /run/elsewhere");
    await node.run("ip", "netns", "delete", "pod1");
    const { actions, why, exitCode } = await gc();
    expect(actions).toEqual({ pod1: "kept" });
    expect(why).toMatch(
      /netns \/run\/netns\/pod1 is gone .* its link pw[0-9a-f]{13} on the host is still there/,
    );
    expect(exitCode).toBe(0);
    expect(leases()).toEqual(["10.244.1.2"]);
  });

  test("finishes what a killed ADD had begun", async () => {
    await addPod("pod1");
    recordOf(node, "pod1").rewrite({ state: "adding" });
    expect((await gc()).actions).toEqual({ pod1: "removed" });
    expect(await node.run("ip", "-brief", "link", "show")).not.toContain("pw");
    expect(leases()).toEqual([]);
  });

  test("finishes what a killed DEL had begun", async () => {
    await addPod("pod1");
    const remover = `1-0-${fs.readlinkSync("/proc/self/ns/pid")}`;
    const directory = "/var/lib/podwire/podnet";
    await node.run("mv", `${directory}/pod1:eth0.json`, `${directory}/.pod1:eth0.json.${remover}.removing`);
    expect(await attachmentStates(node)).toEqual({ pod1: "unfinished" });
    expect((await gc()).actions).toEqual({ pod1: "removed" });
    expect(leases()).toEqual([]);
  });

  test("removes what is from before a reboot", async () => {
    await addPod("pod1");
    recordOf(node, "pod1").rewrite({ bootId: "00000000-0000-0000-0000-000000000000" });
    expect((await gc()).actions).toEqual({ pod1: "removed" });
    expect(leases()).toEqual([]);
  });

  test("removes a torn record with its address, but not while its pod may live", async () => {
    await addPod("pod1");
    recordOf(node, "pod1").overwrite("");
    expect((await gc()).actions).toEqual({ pod1: "kept" });
    await node.run("ip", "netns", "delete", "pod1");
    expect((await gc()).actions).toEqual({ pod1: "removed" });
    expect(leases()).toEqual([]);
  });

  test("looks up a torn record's address store in the network's conflist", async () => {
    const ipam = { ...(config["ipam"] as object), dataDir: "/run/leases" };
    const { name, cniVersion, ...plugin } = network({ ipam });
    fs.mkdirSync(node.file("/run/conf"));
    fs.writeFileSync(
      node.file("/run/conf/10-podnet.conflist"),
      JSON.stringify({ cniVersion, name, plugins: [plugin] }),
    );
    await node.addPod("pod1");
    await succeed(node, { verb: "ADD", config: { name, cniVersion, ...plugin } });
    await node.run("ip", "netns", "delete", "pod1");
    recordOf(node, "pod1").overwrite("");
    expect((await gc("--conf-dir", "/run/conf")).actions).toEqual({ pod1: "removed" });
    expect(fs.existsSync(node.file("/run/leases/podnet/10.244.1.2"))).toBe(false);
  });

  test("with --dry-run, lists and changes nothing", async () => {
    await addPod("pod1");
    await node.run("ip", "netns", "delete", "pod1");
    expect((await gc("--dry-run")).actions).toEqual({ pod1: "would remove" });
    expect(recordOf(node, "pod1").exists()).toBe(true);
    expect(leases()).toEqual(["10.244.1.2"]);
  });

  test("reports a link without a record and leaves it alone", async () => {
    await addPod("pod1");
    fs.rmSync(node.file("/var/lib/podwire/podnet"), { recursive: true });
    expect((await gc()).actions).toEqual({ pod1: "unrecorded" });
    expect(await hostLinkOf(node, "pod1")).toMatch(/^pw/);
  });

  test("goes on after one that cannot be removed, and exits with 1", async () => {
    await addPod("first");
    await addPod("second");
    for (const name of ["first", "second"]) await node.run("ip", "netns", "delete", name);
    recordOf(node, "first").rewrite({
      rawConfig: { name: "podnet", type: "podwire", ipam: { type: "absent" } },
    });
    const { actions, why, exitCode } = await gc("--bin-dir", "/run/nowhere");
    expect(actions).toEqual({ first: "failed", second: "removed" });
    expect(why).toContain("absent is in none of CNI_PATH's directories (/run/nowhere)");
    expect(exitCode).toBe(1);
    expect(await attachmentStates(node)).toEqual({ first: "unfinished" });
  });

  test("leaves nothing for DEL to do, which succeeds all the same", async () => {
    await addPod("pod1");
    await node.run("ip", "netns", "delete", "pod1");
    await gc();
    expect((await cni(node, { verb: "DEL", config })).exitCode).toBe(0);
  });
});
