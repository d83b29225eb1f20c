// The STT module while its ground is pulled away: links, the module, namespaces and MTUs change under traffic.
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { isFull, testedKernels, watchedMemory } from "../fixture/kernels.ts";
import { cannotRunFullLab, sharedLab } from "../fixture/shared-lab.ts";
import { closeTunnel, counters, loadModule, setOffloads } from "../stt/tunnel.ts";
import { disturbances, openOn, recovers, underTraffic, usualGround } from "../stt/unrest.ts";

/** The soak goes on for longer. */
const rounds = isFull ? 5 : 2;

describe.skipIf(cannotRunFullLab("STT in trouble")).each(testedKernels)("STT on kernel %s", (kernel) => {
  const lab = sharedLab({ kernel, processors: 2, kernelArguments: watchedMemory });
  beforeAll(() => loadModule(lab), 600_000);
  beforeEach(async () => {
    for (const node of lab.nodes) await node.sh("ip link delete pw-stt 2> /dev/null || true");
    await openOn(lab, usualGround);
  });

  test.each(Object.entries(disturbances))(
    "all passes again after this, under traffic: %s",
    async (_, disturb) => {
      await underTraffic(lab, async () => {
        for (let round = 0; round < rounds; round++) {
          await disturb(lab, usualGround);
          await lab.node1.sh("sleep 0.2");
        }
      });
      await recovers(lab);
    },
    1_200_000,
  );

  test("all passes again after the link went down and up while nothing was segmented by cards", async () => {
    await setOffloads(lab, "off");
    await underTraffic(lab, async () => {
      for (let round = 0; round < rounds; round++)
        await disturbances["the link goes down and up"]?.(lab, usualGround);
    });
    await setOffloads(lab, "on");
    await recovers(lab);
  }, 1_200_000);

  test("a route into the tunnel for its own segments ends nowhere", async () => {
    await lab.node1.sh(`
      podwire-stt-ctl add other port 7472; ip link set other up
      ip route add 10.7.0.1 encap ip id 1 dst 10.7.0.2 dev pw-stt
      ip route add 10.7.0.2 encap ip id 1 dst 10.7.0.1 dev other
      ip route add 10.7.0.3 encap ip id 1 dst 10.7.0.3 dev pw-stt
      ping -c 2 -W 1 10.7.0.1 || true; ping -c 2 -W 1 10.7.0.3 || true`);
    const { tx_loop = 0 } = await counters(lab.node1);
    await lab.node1.sh("ip link delete other");
    expect(tx_loop).toBeGreaterThan(1);
    await recovers(lab);
  });

  test("no unfinished work keeps the module", async () => {
    await closeTunnel(lab);
    for (const node of lab.nodes) {
      await node.sh("rmmod podwire_stt");
      expect(await node.sh("ss -Hatn sport = :7471; lsmod | grep stt || true")).toBe("");
      await node.sh("insmod /usr/local/bin/podwire_stt.ko");
    }
  });
});
