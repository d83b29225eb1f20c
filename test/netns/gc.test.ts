// GC keeps what is valid and removes all else of its network, with and without records.
import fs from "node:fs";
import { describe, expect, test } from "vitest";
import { cni, succeed } from "../fixture/calls.ts";
import { expectFailure } from "../fixture/failure.ts";
import { masqueradedAddresses, storedFiles } from "../fixture/machine-state.ts";
import { outsideAddress } from "../fixture/node.ts";
import { onePod, othernet, podnet, recordFile } from "../fixture/one-pod.ts";
import { shape } from "../fixture/shape/shape.ts";

const pod = onePod();

describe("GC", () => {
  async function addThree() {
    for (const name of ["pod2", "pod3"]) await pod.node.addPod(name);
    const kept = await pod.add();
    await pod.add({ container: "pod2" });
    await pod.add({ container: "pod3", ifname: "net1" });
    return kept;
  }
  const valid = [{ containerID: "pod1", ifname: "eth0" }];

  async function expectOnlyFirst(prevResult: object) {
    await succeed(pod.node, { verb: "CHECK", config: { ...podnet, prevResult } });
    expect(await shape.hostEnds(pod.node)).toHaveLength(shape.hostEndsOf(1));
    expect(await masqueradedAddresses(pod.node)).toEqual(["10.244.1.2", "fd00:10:244:1::2"]);
    expect(await storedFiles(pod.node)).toEqual([
      "/var/lib/cni/networks/podnet/10.244.1.2",
      "/var/lib/cni/networks/podnet/fd00:10:244:1::2",
      recordFile,
    ]);
  }

  test.each(["cni.dev/valid-attachments", "cni.dev/attachments"])(
    "keeps what %s lists and removes the rest",
    async (key) => {
      const kept = await addThree();
      await succeed(pod.node, { verb: "GC", config: { ...podnet, [key]: valid } });
      await expectOnlyFirst(kept);
    },
  );

  test("removes the rest also without records", async () => {
    const kept = await addThree();
    for (const name of ["pod2:eth0", "pod3:net1"])
      fs.rmSync(pod.node.file(`/var/lib/podwire/podnet/${name}.json`));
    await succeed(pod.node, { verb: "GC", config: { ...podnet, "cni.dev/valid-attachments": valid } });
    await expectOnlyFirst(kept);
  });

  test("keeps what is valid also without its record", async () => {
    await addThree();
    fs.rmSync(pod.node.file("/var/lib/podwire/podnet"), { recursive: true });
    await succeed(pod.node, { verb: "GC", config: { ...podnet, "cni.dev/valid-attachments": valid } });
    expect(await shape.hostEnds(pod.node)).toHaveLength(shape.hostEndsOf(1));
    expect(await masqueradedAddresses(pod.node)).toEqual(["10.244.1.2", "fd00:10:244:1::2"]);
    await pod.node.runIn("pod1", "ping", "-c", "1", "-W", "2", outsideAddress);
  });

  test("keeps what is valid without its record, and nothing of pods that left neither record nor link", async () => {
    await addThree();
    await pod.node.run("sh", "-c", "rm -r /var/lib/podwire/podnet; ip netns del pod2; ip netns del pod3");
    // A port of Open vSwitch stays: that one GC finds by what it says of itself.
    if (shape.name !== "ovs")
      await expect.poll(async () => (await shape.hostEnds(pod.node)).length).toBe(shape.hostEndsOf(1));
    await succeed(pod.node, { verb: "GC", config: { ...podnet, "cni.dev/valid-attachments": valid } });
    expect(await masqueradedAddresses(pod.node)).toEqual(["10.244.1.2", "fd00:10:244:1::2"]);
  });

  // The host's slave tells nothing of the pods that it is for.
  test.skipIf(shape.name === "ipvlan")("leaves pods of a network alone whose records were lost", async () => {
    await pod.add();
    await pod.node.addPod("pod2");
    const { ips } = await pod.add({ container: "pod2", config: othernet });
    await pod.node.run("rm", "-r", "/var/lib/podwire/othernet");
    await succeed(pod.node, { verb: "GC", config: { ...podnet, "cni.dev/valid-attachments": valid } });
    for (const { address } of ips)
      await pod.node.run("ping", "-c", "1", "-W", "2", address.replace(/\/.*/, ""));
  });

  test("removes torn records, and leases without links", async () => {
    const kept = await addThree();
    await pod.node.run("sh", "-c", "truncate -s 9 /var/lib/podwire/podnet/pod2:eth0.json; ip netns del pod3");
    await succeed(pod.node, { verb: "GC", config: { ...podnet, "cni.dev/valid-attachments": valid } });
    await expectOnlyFirst(kept);
  });

  test.each([
    { "cni.dev/valid-attachments": [] },
    { "cni.dev/attachments": [] },
    // As Go's libcni writes an empty list.
    { "cni.dev/valid-attachments": null },
    { "cni.dev/attachments": null },
    { "cni.dev/valid-attachments": null, "cni.dev/attachments": null },
  ])("that keeps nothing leaves nothing, and no other network suffers: %j", async (lists) => {
    const prevResult = await pod.add({ config: othernet, ifname: "net1" });
    await addThree();
    await succeed(pod.node, { verb: "GC", config: { ...podnet, ...lists } });
    await succeed(pod.node, { verb: "CHECK", ifname: "net1", config: { ...othernet, prevResult } });
    expect(await shape.hostEnds(pod.node)).toHaveLength(shape.hostEndsOf(1));
    expect(fs.existsSync(pod.node.file("/var/lib/podwire/podnet"))).toBe(false);
    expect(await pod.node.run("nft", "list", "table", "inet", "podwire")).not.toContain("-podnet");
  });

  test("without a list refuses with code 7 and removes nothing", async () => {
    const prevResult = await pod.add();
    expectFailure(await cni(pod.node, { verb: "GC", config: podnet }), 7, "cni.dev/valid-attachments");
    await succeed(pod.node, { verb: "CHECK", config: { ...podnet, prevResult } });
  });

  test("goes on after an error and reports it at the end", async () => {
    const kept = await addThree();
    // Immutable: its record and lease cannot be removed.
    const stuck = "/var/lib/cni/networks/podnet/10.244.1.3";
    await pod.node.run(
      "sh",
      "-c",
      `rm ${stuck}; mkdir ${stuck}; touch ${stuck}/file; mount -t tmpfs tmpfs ${stuck}`,
    );
    const delegated = { ...podnet, "cni.dev/valid-attachments": valid };
    const broken = JSON.parse(
      fs.readFileSync(pod.node.file("/var/lib/podwire/podnet/pod2:eth0.json"), "utf8"),
    );
    broken.rawConfig.ipam = { type: "nowhere" };
    fs.writeFileSync(pod.node.file("/var/lib/podwire/podnet/pod2:eth0.json"), JSON.stringify(broken));
    expectFailure(await cni(pod.node, { verb: "GC", config: delegated }), 105, "pod2", "nowhere");
    expect(fs.existsSync(pod.node.file("/var/lib/podwire/podnet/pod3:net1.json"))).toBe(false);
    expect(await shape.hostEnds(pod.node)).toHaveLength(shape.hostEndsOf(1));
    await succeed(pod.node, { verb: "CHECK", config: { ...podnet, prevResult: kept } });
  });

  test("forgets prefixes that the network has no longer", async () => {
    await pod.add();
    await pod.node.addPod("pod2");
    const renumbered = { ...podnet, ipam: { type: "host-local", ranges: [[{ subnet: "10.250.1.0/24" }]] } };
    await pod.add({ container: "pod2", config: renumbered });
    await pod.del({ container: "pod2", config: renumbered });
    const direct = () => pod.node.run("nft", "list", "set", "inet", "podwire", "direct4-podnet");
    expect(await direct()).toContain("10.250.1.0/24");
    await succeed(pod.node, { verb: "GC", config: { ...podnet, "cni.dev/valid-attachments": valid } });
    expect(await direct()).not.toContain("10.250.1.0/24");
    expect(await direct()).toContain("10.244.1.0/24");
  });
});
