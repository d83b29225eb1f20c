// DEL in all its forms: repeated, without what it could go by, and after the configuration has changed.
import fs from "node:fs";
import { describe, expect, test } from "vitest";
import { cni, dualStackIpam, network, succeed } from "../fixture/calls.ts";
import { expectFailure } from "../fixture/failure.ts";
import { machineState, storedFiles, withoutForwarding } from "../fixture/machine-state.ts";
import { hostAddress, replaceNetns } from "../fixture/node.ts";
import { onePod, podnet, recordFile } from "../fixture/one-pod.ts";
import { shape } from "../fixture/shape/shape.ts";

const pod = onePod();

describe("DEL", () => {
  test("succeeds any number of times, and before any ADD", async () => {
    await pod.del();
    await pod.add();
    for (let time = 0; time < 3; time++) await pod.del();
    await pod.expectNothingLeft();
  });

  test("gives back all but host-wide forwarding and podwire's empty table", async () => {
    const before = withoutForwarding(await machineState(pod.node, "pod1"));
    const plain = network({ ipam: dualStackIpam });
    await pod.add({ config: plain });
    await pod.del({ config: plain });
    expect(withoutForwarding(await machineState(pod.node, "pod1"))).toBe(before);
  });

  test.each([
    ["without CNI_NETNS", { env: { CNI_NETNS: undefined } }, "true"],
    ["with an empty CNI_NETNS", { netns: "" }, "true"],
    ["with a netns that is gone", {}, "ip netns del pod1"],
    ["with a netns path that is something else now", {}, "ip netns del pod1; echo > /run/netns/pod1"],
    ["with a netns path that is another pod's now", {}, replaceNetns("pod1")],
    ["with the host's netns", { netns: "/proc/self/ns/net" }, "true"],
    ["without the record of it", {}, "rm -rf /var/lib/podwire/podnet"],
    ["with a truncated record", {}, `truncate -s 300 ${recordFile}`],
    ["with an empty record", {}, `truncate -s 0 ${recordFile}`],
    ["with garbage as record", {}, `head -c 500 /dev/urandom > ${recordFile}`],
    ["with a record of an unknown format", {}, `sed -i 's/"format": 1/"format": 99/' ${recordFile}`],
    ["with a record without its configuration", {}, `sed -i 's/"rawConfig"/"other"/' ${recordFile}`],
    [
      "with a record of a plan that is none",
      {},
      `sed -i 's/"kind": "[a-z]*"/"kind": "nonsense"/' ${recordFile}`,
    ],
    ["with a record of null", {}, `echo null > ${recordFile}`],
    [
      "with a record without anything in it",
      {},
      `echo '{"format":1,"network":"podnet","containerID":"pod1","ifname":"eth0","plan":[null]}' > ${recordFile}`,
    ],
    ["with the host's end deleted", {}, shape.removeHostEnds],
    ["with the lease deleted", {}, "rm /var/lib/cni/networks/podnet/10.244.1.2"],
    ["with the nftables table deleted", {}, "nft delete table inet podwire"],
  ] as const)("succeeds %s and leaves nothing", async (_, call, script) => {
    const prevResult = await pod.add();
    await pod.node.run("sh", "-c", script);
    // What runtimes send along from version 0.4.0 on.
    await pod.del({ config: { ...podnet, prevResult }, ...call });
    await pod.expectNothingLeft();
    await pod.del({ config: { ...podnet, prevResult }, ...call });
  });

  test("succeeds without prevResult, CNI_NETNS and record, and leaves no link and no lease", async () => {
    await pod.add();
    fs.rmSync(pod.node.file("/var/lib/podwire/podnet"), { recursive: true });
    await pod.del({ netns: "" });
    expect(await shape.hostEnds(pod.node)).toEqual([]);
    expect(await storedFiles(pod.node)).toEqual([]);
  });

  test("goes by the record when the datapath, the IPAM or ipMasq of the conflist have changed", async () => {
    for (const change of [
      { datapath: shape.name === "ipvlan" ? "veth" : "ipvlan" },
      { ipam: { type: "nowhere" } },
      { ipam: { type: "static", addresses: [] } },
      { ipMasq: false },
      { ipam: { ...dualStackIpam, ranges: [[{ subnet: "10.9.0.0/24" }]] } },
      { cniVersion: "0.4.0" },
    ]) {
      await pod.add();
      await pod.del({ config: { ...podnet, ...change } });
      await pod.expectNothingLeft();
    }
  });

  test.each([
    ["an unknown key", { mtuu: 1400 }, 2],
    ["an unknown key in an object", { overlay: { type: "none", mtuu: 1400 } }, 2],
    ["a value that is none", { mtu: "large", timeout: "soon", runtimeConfig: [] }, 7],
  ])("succeeds with %s in the configuration, which ADD refuses", async (_, mistake, code) => {
    const config = { ...podnet, ...mistake };
    expectFailure(await cni(pod.node, { verb: "ADD", config }), code);
    const prevResult = await pod.add();
    await pod.del({ config: { ...config, prevResult } });
    await pod.expectNothingLeft();
    await pod.del({ config });
    await pod.add();
    fs.rmSync(pod.node.file("/var/lib/podwire/podnet"), { recursive: true });
    await pod.del({ config: { ...config, prevResult } });
    await pod.expectNothingLeft();
  });

  test("removes one interface of a pod and leaves the other alone", async () => {
    await pod.add();
    const other = await pod.add({ ifname: "net1" });
    await pod.del();
    await succeed(pod.node, { verb: "CHECK", ifname: "net1", config: { ...podnet, prevResult: other } });
    await pod.node.runIn("pod1", "ping", "-c", "1", "-W", "2", hostAddress);
    await pod.del({ ifname: "net1" });
    await pod.expectNothingLeft();
  });

  test("of an unknown network or container leaves others alone", async () => {
    const prevResult = await pod.add();
    await pod.del({ container: "stranger" });
    await pod.del({ config: { ...podnet, name: "othernet" } });
    await pod.del({ ifname: "eth1" });
    await succeed(pod.node, { verb: "CHECK", config: { ...podnet, prevResult } });
  });

  test("succeeds with IPv6 turned off since, and takes the routes of that pod alone", async () => {
    const beside = { container: "beside" };
    await pod.node.addPod("beside");
    await pod.add();
    await pod.add(beside);
    await pod.node.run("sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6");
    await pod.del();
    const routes = await pod.node.run("ip", "route");
    expect(routes).not.toContain("10.244.1.2 ");
    expect(routes).toContain("10.244.1.3 ");
    await pod.del(beside);
    await pod.expectNothingLeft();
  });
});
