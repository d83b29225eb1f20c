// The STT module on a kernel that was started without IPv6: what would need it fails by a counter, and IPv4 works.
import { beforeAll, describe, expect, test } from "vitest";
import { testedKernels } from "../fixture/kernels.ts";
import { cannotRunFullLab, sharedLab } from "../fixture/shared-lab.ts";
import { ping, transfer } from "../fixture/traffic.ts";
import { counted, endOf, loadModule } from "../stt/tunnel.ts";

describe.skipIf(cannotRunFullLab("STT without IPv6")).each(testedKernels)("STT on kernel %s", (kernel) => {
  const lab = sharedLab({ kernel, kernelArguments: "ipv6.disable=1" });
  beforeAll(async () => {
    await loadModule(lab);
    for (const [node, other] of [
      [lab.node1, lab.node2],
      [lab.node2, lab.node1],
    ] as const)
      await node.sh(`
        [ ! -e /proc/net/if_inet6 ]
        ip link add pw-stt type stt; ip link set pw-stt up
        ip address add ${endOf(node).address}/32 dev pw-stt
        ip route add ${endOf(other).address} encap ip id 100 dst ${other.address} dev pw-stt src ${endOf(node).address}
        ip route add 10.10.0.1 encap ip6 id 1 dst 2001:db8::${other.number} dev pw-stt src ${endOf(node).address}`);
  }, 600_000);

  test("what is to be sent over IPv6 has no route", async () => {
    const changes = await counted(lab.node1, () => lab.node1.sh("ping -c 2 -W 1 10.10.0.1 || true"));
    expect(changes).toMatchObject({ tx_no_route: 2 });
    expect(changes).not.toHaveProperty("tx_frames");
  });

  test("over IPv4 all arrives", async () => {
    await ping(endOf(lab.node1), endOf(lab.node2));
    await transfer(endOf(lab.node2), endOf(lab.node1), 5);
  });
});
