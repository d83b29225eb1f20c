// Hours of it, over IPv4, IPv6 and with jumbo frames: traffic of all kinds between two nodes while links, modules, MTUs and namespaces come and go, in an
// order that chance chose; at the end nothing is left of it. PODWIRE_SOAK_MINUTES says how long for each kernel, and
// PODWIRE_SOAK_SEED makes chance choose as it did before.
import { beforeAll, describe, expect, test } from "vitest";
import { testedKernels, watchedMemory } from "../fixture/kernels.ts";
import { cannotRunFullLab, sharedLab } from "../fixture/shared-lab.ts";
import type { LabNode } from "../machine/node.ts";
import { closeTunnel, loadModule } from "../stt/tunnel.ts";
import { disturbances, grounds, manyDisturbances, openOn, recovers, underTraffic } from "../stt/unrest.ts";

/** An hour on all kernels together. */
const minutes = Number(process.env["PODWIRE_SOAK_MINUTES"] ?? 60 / testedKernels.length);
const seed = Number(process.env["PODWIRE_SOAK_SEED"] ?? Date.now() % 1_000_000);

describe.skipIf(cannotRunFullLab("hours of STT")).each(testedKernels)("STT on kernel %s", (kernel) => {
  const lab = sharedLab({ kernel, processors: 2, kernelArguments: watchedMemory });
  beforeAll(() => loadModule(lab), 600_000);

  test(
    `bears ${minutes} minutes of everything, and leaves nothing`,
    async () => {
      console.log(`kernel ${kernel}: PODWIRE_SOAK_SEED=${seed}`);
      const all = Object.keys(disturbances);
      const next = manyDisturbances(seed);
      const held: number[][] = [];
      const happened = new Map<string, number>();
      const end = Date.now() + minutes * 60_000;
      const parts = grounds.length;
      for (const [part, ground] of grounds.entries()) {
        await openOn(lab, ground);
        await underTraffic(lab, async () => {
          const partEnd = end - (minutes * 60_000 * (parts - 1 - part)) / parts;
          do {
            const [name, disturb] = next.next().value;
            await disturb(lab, ground);
            happened.set(name, (happened.get(name) ?? 0) + 1);
            await lab.node1.sh("sleep 1");
          } while (Date.now() < partEnd || (part === parts - 1 && happened.size < all.length));
        });
        await recovers(lab);
        await closeTunnel(lab);
        held.push(await Promise.all(lab.nodes.map(memoryHeld)));
        expect(await lab.faults()).toEqual([]);
      }
      console.log(
        `kernel ${kernel}: ${JSON.stringify(Object.fromEntries(happened))}; kB held: ${JSON.stringify(held)}`,
      );
      expect([...happened.keys()].sort()).toEqual(all.sort());
      // The first ground fills what the kernel keeps for itself.
      const [first = []] = held;
      for (const [node, kilobytes] of (held.at(-1) ?? []).entries())
        expect(kilobytes - (first[node] ?? 0), `kB more on node ${node + 1}`).toBeLessThan(4096);
      for (const node of lab.nodes) {
        const users = await node.sh("lsmod | awk '$1 == \"podwire_stt\" { print $3 }'");
        expect(users.trim()).toBe("0");
        await node.sh("rmmod podwire_stt");
      }
    },
    // On a busy machine a disturbance takes minutes.
    (2 * minutes + 30) * 60_000,
  );
});

/** Kilobytes that the kernel cannot give back. */
async function memoryHeld(node: LabNode): Promise<number> {
  return Number(
    await node.sh(`sleep 3; sync; echo 3 > /proc/sys/vm/drop_caches; sleep 2
      awk '/^(SUnreclaim|Percpu|KernelStack|PageTables):/ { sum += $2 } END { print sum }' /proc/meminfo`),
  );
}
