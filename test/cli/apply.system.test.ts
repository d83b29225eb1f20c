// `podwire apply` for pods: what somebody took away is there again, and what is not is said.
import fs from "node:fs";
import { expect, test } from "vitest";
import { network, succeed } from "../fixture/calls.ts";
import { executable } from "../fixture/node.ts";
import { onePod } from "../fixture/one-pod.ts";
import { locate, podwireWith } from "../fixture/programs.ts";

const pod = onePod();

test("makes again what is missing, once", async () => {
  const config = network();
  const { json } = await succeed(pod.node, { verb: "ADD", config });
  await pod.node.runIn("pod1", "ip", "route", "delete", "default");
  expect(await pod.node.run(executable, "apply")).toMatch(/pod1\/eth0: made again: route 0\.0\.0\.0\/0/);
  await succeed(pod.node, { verb: "CHECK", config: { ...config, prevResult: json } });
  expect(await pod.node.run(executable, "apply")).toContain("1 attachments: all as they were made");
});

test("does not say so of what the kernel did not take", async () => {
  await succeed(pod.node, { verb: "ADD", config: network() });
  await pod.node.runIn("pod1", "ip", "route", "delete", "default");
  const ip = locate("ip");
  const podwire = podwireWith(pod.node, {
    ip: `case " $* " in *" -json "*) exec ${ip} "$@";; esac; grep -v default | grep -v 0.0.0.0/0 | ${ip} "$@"`,
  });
  const { exitCode, stdout } = await pod.node.attempt(podwire, ["apply"]);
  expect(stdout).toMatch(/pod1\/eth0: cannot be repaired: route 0\.0\.0\.0\/0 .*recreate the pod/);
  expect(stdout).not.toContain("made again");
  expect(exitCode).toBe(1);
});

test("leaves an address to the pod that was given it while the one before it was repaired", async () => {
  const ranges = [[{ subnet: "10.244.1.0/24", rangeStart: "10.244.1.2", rangeEnd: "10.244.1.2" }]];
  const config = network({ ipMasq: true, ipam: { type: "host-local", ranges } });
  await succeed(pod.node, { verb: "ADD", config });
  const element = ["element", "inet", "podwire", "pods4-podnet", "{ 10.244.1.2 }"];
  await pod.node.run("nft", "delete", ...element);
  const wait = "touch /run/held; until [ -e /run/go ]; do sleep 0.01; done";
  const podwire = podwireWith(pod.node, {
    nft: `script=$(cat); case "$script" in *"add element"*) ${wait};; esac; echo "$script" | ${locate("nft")} "$@"`,
  });
  const applying = pod.node.attempt(podwire, ["apply"]);
  await pod.node.run("sh", "-c", "until [ -e /run/held ]; do sleep 0.01; done");
  await pod.del({ config });
  await pod.node.addPod("pod2");
  const prevResult = await pod.add({ container: "pod2", config });
  fs.writeFileSync(pod.node.file("/run/go"), "");
  await applying;
  await succeed(pod.node, { verb: "CHECK", container: "pod2", config: { ...config, prevResult } });
});
