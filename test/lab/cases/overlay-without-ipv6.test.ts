// Overlays on kernels that were started without IPv6, with peers that have it: IPv4 works, and what is left out is told.
import { describe, expect, test } from "vitest";
import { testedKernels } from "../fixture/kernels.ts";
import { applyOverlay, type LabOverlay, overlayNetwork, withdraw } from "../fixture/overlay.ts";
import { pod } from "../fixture/pod.ts";
import { cannotRunFullLab, sharedLab } from "../fixture/shared-lab.ts";
import { ping, transfer } from "../fixture/traffic.ts";

describe.skipIf(cannotRunFullLab("overlays without IPv6")).each(testedKernels)("on kernel %s", (kernel) => {
  const lab = sharedLab({ kernel, kernelArguments: "ipv6.disable=1" });

  test.each(["vxlan", "geneve", "host-gw"] as const)("%s reaches IPv4 pods of other nodes", async (type) => {
    const networkOf = (number: number): LabOverlay => ({
      type,
      network: {
        ipam: {
          type: "host-local",
          ranges: [[{ subnet: `10.244.${number}.0/24` }]],
          routes: [{ dst: "0.0.0.0/0" }],
        },
      },
    });
    for (const node of lab.nodes) {
      await applyOverlay(node, overlayNetwork(lab, node, networkOf(node.number)));
      expect(await node.sh("podwire apply 2>&1")).toContain(
        "this host has no IPv6: 2 prefixes of pods are left out",
      );
    }
    const pods = await Promise.all(
      lab.nodes.map((node) => pod(node, overlayNetwork(lab, node, networkOf(node.number)))),
    );
    const [one, two] = pods as [(typeof pods)[0], (typeof pods)[0]];
    await ping(one, two);
    await transfer(one, two, 5);
    await transfer(two, one, 5);
    await Promise.all(pods.map((each) => each.check()));
    await Promise.all(pods.map((each) => each.remove()));
    for (const node of lab.nodes) expect(await withdraw(node)).toBe("");
  });
});
