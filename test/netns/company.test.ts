// Pods that the new one does not reach, of which the host itself shows nothing: ADD says so all the same. The kernel need not have
// ipvlan: the slave is one by its record.
import { expect, test } from "vitest";
import { cni, network, succeed } from "../fixture/calls.ts";
import { onePod } from "../fixture/one-pod.ts";

const pod = onePod();
/** That the node may have such pods. */
const note = "/run/podwire/unseen-slaves";

test.each(["private", "vepa"])("ADD warns beside pods of ipvlan with flag %s", async (flag) => {
  const veth = network({ datapath: "veth" });
  await succeed(pod.node, { verb: "ADD", config: veth });
  const slave = { kind: "ipvlan", master: "uplink", mode: "l3", flag };
  const record = "/var/lib/podwire/podnet/pod1:eth0.json";
  const stored = JSON.parse(await pod.node.run("cat", record));
  for (const object of stored.plan) {
    if (object.kind === "link" && object.where === "pod") object.type = slave;
  }
  await pod.node.attempt("tee", [record], { input: JSON.stringify(stored) });
  for (const name of ["pod2", "pod3"]) await pod.node.addPod(name);
  const ipvlan = {
    ...veth,
    name: "slaves",
    datapath: "ipvlan",
    ipvlan: { master: "uplink", mode: "l3", flag },
  };
  await cni(pod.node, { verb: "ADD", config: ipvlan, container: "pod2" });
  const { stderr } = await succeed(pod.node, { verb: "ADD", config: veth, container: "pod3" });
  expect(stderr).toContain(`pods do not reach each other: flag ${flag} keeps ipvlan l3 pods on uplink apart`);
  // Records cost time: once none of such pods is left, the next ADD is the last one to read them all.
  for (const [container, config] of [
    ["pod1", veth],
    ["pod2", ipvlan],
  ] as const) {
    await succeed(pod.node, { verb: "DEL", config, container });
  }
  expect(await pod.node.has(note)).toBe(true);
  await pod.node.addPod("pod4");
  expect((await succeed(pod.node, { verb: "ADD", config: veth, container: "pod4" })).stderr).toBe("");
  expect(await pod.node.has(note)).toBe(false);
});
