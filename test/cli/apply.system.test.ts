// `podwire apply` for pods: what somebody took away is there again, and what is not is said.
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
