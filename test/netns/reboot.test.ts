// What records tell of pods from before the machine's start, whose addresses may be other pods' by now: leases often lie where
// nothing outlasts it. What a start takes away is taken away by hand here.
import fs from "node:fs";
import { expect, test } from "vitest";
import { type CniAnswer, cni, network, succeed } from "../fixture/calls.ts";
import { masqueradedAddresses, storedFiles } from "../fixture/machine-state.ts";
import { hostAddress } from "../fixture/node.ts";
import { onePod } from "../fixture/one-pod.ts";

const own = onePod();
const config = network({
  ipMasq: true,
  ipam: {
    type: "host-local",
    dataDir: "/run/leases",
    ranges: [[{ subnet: "10.244.1.0/24" }]],
    routes: [{ dst: "0.0.0.0/0" }],
  },
});

async function add(container: string): Promise<CniAnswer> {
  await own.node.addPod(container);
  return succeed(own.node, { verb: "ADD", config, container });
}

/** The pod's record stays. */
async function restart(container: string): Promise<void> {
  await own.node.run("ip", "netns", "delete", container);
  await own.node.run(
    "sh",
    "-ec",
    "rm -r /run/leases; ip route flush proto 119; nft delete table inet podwire",
  );
  const file = own.node.file(`/var/lib/podwire/podnet/${container}:eth0.json`);
  const record = JSON.parse(fs.readFileSync(file, "utf8"));
  fs.writeFileSync(file, JSON.stringify({ ...record, bootId: "00000000-0000-0000-0000-000000000000" }));
}

test.each([
  ["DEL", (container: string) => cni(own.node, { verb: "DEL", config, container })],
  [
    "GC",
    () => {
      const valid = { "cni.dev/valid-attachments": [{ containerID: "new", ifname: "eth0" }] };
      return cni(own.node, { verb: "GC", config: { ...config, ...valid } });
    },
  ],
] as const)("%s of a pod from before leaves a new one with its address alone", async (_, remove) => {
  const before = await add("old");
  await restart("old");
  const { json } = await add("new");
  expect(json.ips[0].address).toBe(before.json.ips[0].address);
  const outcome = await remove("old");
  expect({ exitCode: outcome.exitCode, stdout: outcome.stdout }).toEqual({ exitCode: 0, stdout: "" });
  await own.node.runIn("new", "ping", "-c", "1", "-W", "3", hostAddress);
  const check = { verb: "CHECK", config: { ...config, prevResult: json }, container: "new" };
  expect((await cni(own.node, check)).stdout).toBe("");
  expect(await masqueradedAddresses(own.node)).toEqual([json.ips[0].address.replace(/\/.*/, "")]);
  await succeed(own.node, { verb: "DEL", config, container: "new" });
  expect(await storedFiles(own.node)).toEqual([]);
});
