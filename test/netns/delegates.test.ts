// The reference plugins as IPAM that podwire delegates to, over the whole life of an attachment.
import fs from "node:fs";
import { describe, expect, test } from "vitest";
import { cni, dualStackIpam, network, succeed } from "../fixture/calls.ts";
import { expectFailure } from "../fixture/failure.ts";
import { storedFiles } from "../fixture/machine-state.ts";
import { hostAddress, referencePluginDir } from "../fixture/node.ts";
import { onePod, podnet } from "../fixture/one-pod.ts";
import { pluginDirectory } from "../fixture/programs.ts";

const pod = onePod();

const reference =
  fs.existsSync(`${referencePluginDir}/host-local`) && fs.existsSync(`${referencePluginDir}/static`);
if (!reference)
  console.warn(`no reference plugins in ${referencePluginDir}: delegation to them is not tested`);

describe.skipIf(!reference)("the reference plugins as delegates", () => {
  const leases = "/var/lib/cni/ref";
  // Plugins in use know versions up to 1.0.0.
  const refLocal = network({
    cniVersion: "1.0.0",
    ipMasq: true,
    ipam: { ...dualStackIpam, type: "ref-local", dataDir: leases },
  });
  const path = () => pluginDirectory(pod.node, { "ref-local": `${referencePluginDir}/host-local` });

  test("host-local under another name gives, checks and takes back addresses", async () => {
    const call = { config: refLocal, path: path() };
    const prevResult = await pod.add(call);
    await succeed(pod.node, { verb: "CHECK", ...call, config: { ...refLocal, prevResult } });
    await pod.node.run("sh", "-c", `ls ${leases}/podnet/10.244.1.2`);
    await pod.del({ ...call, config: { ...refLocal, prevResult } });
    await pod.expectNothingLeft();
  });

  test("are told to DEL when the ADD fails after them", async () => {
    await pod.node.runIn("pod1", "ip", "link", "add", "eth0", "type", "bridge");
    const call = { config: refLocal, path: path() };
    expectFailure(await cni(pod.node, { verb: "ADD", ...call }), [100, 101]);
    await pod.expectNothingLeft();
  });

  test("are asked to DEL by the record, also when the conflist names another IPAM by then", async () => {
    const call = { config: refLocal, path: path() };
    await pod.add(call);
    await pod.del({ ...call, config: podnet });
    await pod.expectNothingLeft();
  });

  test("have their leases collected by GC, by the records", async () => {
    await pod.node.addPod("pod2");
    const call = { config: refLocal, path: path() };
    await pod.add(call);
    await pod.add({ ...call, container: "pod2" });
    const list = { "cni.dev/valid-attachments": [{ containerID: "pod2", ifname: "eth0" }] };
    await succeed(pod.node, { verb: "GC", ...call, config: { ...refLocal, cniVersion: "1.1.0", ...list } });
    expect(await storedFiles(pod.node)).toEqual([
      `${leases}/podnet/10.244.1.3`,
      `${leases}/podnet/fd00:10:244:1::3`,
      "/var/lib/podwire/podnet/pod2:eth0.json",
    ]);
  });

  test.each(["0.2.0", "0.3.1", "0.4.0", "1.0.0"])("static gives its addresses in %s", async (cniVersion) => {
    const ipam = {
      type: "static",
      addresses: [{ address: "10.7.0.7/24", gateway: "10.7.0.1" }],
      routes: [{ dst: "0.0.0.0/0" }],
      dns: { nameservers: ["10.7.0.1"] },
    };
    const call = { config: network({ cniVersion, ipam }) };
    const result = await pod.add(call);
    expect(JSON.stringify(result)).toContain("10.7.0.7/32");
    expect(result.dns.nameservers).toEqual(["10.7.0.1"]);
    await pod.node.runIn("pod1", "ping", "-c", "1", "-W", "2", hostAddress);
    await pod.del(call);
    await pod.expectNothingLeft();
  });
});
