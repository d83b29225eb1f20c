// STATUS says beforehand what would make an ADD fail.
import { describe, expect, test } from "vitest";
import { cni, network, succeed } from "../fixture/calls.ts";
import { expectFailure } from "../fixture/failure.ts";
import { machineState } from "../fixture/machine-state.ts";
import { onePod, podnet } from "../fixture/one-pod.ts";
import { pluginDirectory, podwireWith } from "../fixture/programs.ts";
import { shape } from "../fixture/shape/shape.ts";

const pod = onePod();

describe("STATUS", () => {
  const small = (subnet: string) => network({ ipam: { type: "host-local", ranges: [[{ subnet }]] } });

  test("succeeds with nothing on stdout", async () => {
    expect((await succeed(pod.node, { verb: "STATUS", config: podnet })).stdout).toBe("");
  });

  test("is 50 when a range set is exhausted, and says which", async () => {
    const full = small("10.244.9.0/30");
    await pod.add({ config: full });
    expectFailure(await cni(pod.node, { verb: "STATUS", config: full }), 50, "10.244.9");
    await pod.node.addPod("pod2");
    expectFailure(
      await cni(pod.node, { verb: "ADD", config: full, container: "pod2" }),
      103,
      "10.244.9",
      "1 in use",
    );
    await pod.del({ config: full });
    await succeed(pod.node, { verb: "STATUS", config: full });
  });

  test.each(shape.statusPrograms)("is 50 without %s", async (name) => {
    const programs = shape.statusPrograms.filter((program) => program !== name);
    const plugin = podwireWith(pod.node, {}, programs);
    expectFailure(await cni(pod.node, { verb: "STATUS", config: podnet, plugin }), 50, name);
  });

  test("is 50 without the IPAM plugin, and when that says so", async () => {
    expectFailure(
      await cni(pod.node, { verb: "STATUS", config: network({ ipam: { type: "nowhere" } }) }),
      50,
      "nowhere",
    );
    const path = pluginDirectory(pod.node, { stub: `echo '{"code":50,"msg":"no leases left"}'; exit 1` });
    const answer = await cni(pod.node, { verb: "STATUS", config: network({ ipam: { type: "stub" } }), path });
    expectFailure(answer, 50, "no leases left");
  });

  test("is 50 when leases cannot be written", async () => {
    await pod.node.run(
      "sh",
      "-c",
      "mkdir -p /var/lib/cni/networks && mount -t tmpfs -o ro tmpfs /var/lib/cni/networks",
    );
    expectFailure(await cni(pod.node, { verb: "STATUS", config: podnet }), 50, "/var/lib/cni/networks");
  });

  test("is 50 when records cannot be written", async () => {
    await pod.node.run("mount", "-t", "tmpfs", "-o", "ro", "tmpfs", "/var/lib/podwire");
    expectFailure(await cni(pod.node, { verb: "STATUS", config: podnet }), 50, "/var/lib/podwire");
  });

  test("changes nothing", async () => {
    const before = await machineState(pod.node, "pod1");
    await succeed(pod.node, { verb: "STATUS", config: podnet });
    expect(await machineState(pod.node, "pod1")).toBe(before);
  });
});
