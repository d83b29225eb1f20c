// ADD where something is there already: a live attachment, remains of a dead one, another interface.
import { describe, expect, test } from "vitest";
import { cni, succeed } from "../fixture/calls.ts";
import { expectFailure } from "../fixture/failure.ts";
import { machineState, masqueradedAddresses, storedFiles } from "../fixture/machine-state.ts";
import { outsideAddress, replaceNetns } from "../fixture/node.ts";
import { onePod, othernet, podnet, recordFile } from "../fixture/one-pod.ts";
import { shape } from "../fixture/shape/shape.ts";

const pod = onePod();

describe("ADD", () => {
  test("of a live attachment fails with code 101 and leaves it as it is", async () => {
    const prevResult = await pod.add();
    const before = await machineState(pod.node, "pod1");
    for (let time = 0; time < 2; time++)
      expectFailure(await cni(pod.node, { verb: "ADD", config: podnet }), 101, "pod1", "eth0");
    await pod.node.addPod("pod2");
    await pod.node.run("ip", "netns", "del", "pod2");
    expect(await machineState(pod.node, "pod1")).toBe(before);
    await succeed(pod.node, { verb: "CHECK", config: { ...podnet, prevResult } });
  });

  test("of the same interface name in another network fails and touches nothing", async () => {
    const prevResult = await pod.add();
    const before = await machineState(pod.node, "pod1");
    expectFailure(await cni(pod.node, { verb: "ADD", config: othernet }), [100, 101], "eth0");
    expect(await machineState(pod.node, "pod1")).toBe(before);
    await succeed(pod.node, { verb: "CHECK", config: { ...podnet, prevResult } });
  });

  test.each([
    ["the netns vanished", replaceNetns("pod1")],
    [
      "the machine rebooted",
      `sed -i 's/"bootId": "[^"]*"/"bootId": "before"/' ${recordFile}; ip -n pod1 link del eth0
      for family in -4 -6; do ip $family route flush proto 119; done; nft delete table inet podwire`,
    ],
    ["the record was torn", `ip -n pod1 link del eth0; truncate -s 100 ${recordFile}`],
  ])("succeeds after %s without a DEL", async (_, script) => {
    await pod.add();
    await pod.node.run("sh", "-c", script);
    const prevResult = await pod.add();
    await succeed(pod.node, { verb: "CHECK", config: { ...podnet, prevResult } });
    expect((await storedFiles(pod.node)).filter((file) => file.includes("/networks/"))).toHaveLength(2);
    expect(await masqueradedAddresses(pod.node)).toHaveLength(2);
    await pod.del();
    await pod.expectNothingLeft();
  });

  test("succeeds after the link was deleted, or, where the host cannot see that, after a DEL", async () => {
    await pod.add();
    await pod.node.run("ip", "-n", "pod1", "link", "del", "eth0");
    if (!shape.seesPodLinks) {
      expectFailure(await cni(pod.node, { verb: "ADD", config: podnet }), 101, "DEL it");
      await pod.del();
    }
    const prevResult = await pod.add();
    await succeed(pod.node, { verb: "CHECK", config: { ...podnet, prevResult } });
    await pod.del();
    await pod.expectNothingLeft();
  });

  test("gives two interfaces default routes, of which the first one's wins", async () => {
    const first = await pod.add();
    const second = await pod.add({ ifname: "net1", config: othernet });
    await succeed(pod.node, { verb: "CHECK", config: { ...podnet, prevResult: first } });
    await succeed(pod.node, {
      verb: "CHECK",
      ifname: "net1",
      config: { ...othernet, prevResult: second },
    });
    for (const family of ["-4", "-6"]) {
      const target = family === "-4" ? outsideAddress : "2001:db8::2";
      expect(await pod.node.runIn("pod1", "ip", family, "route", "get", target)).toContain("dev eth0");
    }
    await pod.node.runIn("pod1", "ping", "-c", "1", "-W", "2", outsideAddress);
  });

  test("gives two interfaces default routes whatever their names are", async () => {
    await pod.add({ ifname: "eth0" });
    await pod.add({ ifname: "data0" });
    await pod.add({ ifname: "storage" });
    await pod.node.runIn("pod1", "ping", "-c", "1", "-W", "2", outsideAddress);
    for (const ifname of ["eth0", "data0", "storage"]) await pod.del({ ifname });
    await pod.expectNothingLeft();
  });
});
