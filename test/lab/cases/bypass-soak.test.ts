// podwire_bypass for half an hour of mixed traffic (PODWIRE_SOAK_MINUTES says how long else) while it is reconfigured and
// loaded anew all the time: nothing is lost that TCP does not repair, and nothing is left in the kernel.
import { describe, expect, test } from "vitest";
import { loadBypass, setBypass, unloadBypass } from "../fixture/bypass.ts";
import { both, bypassModes, bypassPods, podLines } from "../fixture/bypass-pods.ts";
import { withService } from "../fixture/service.ts";
import { cannotRunFullLab } from "../fixture/shared-lab.ts";
import { ask } from "../fixture/talk.ts";
import { transfer } from "../fixture/traffic.ts";
import type { LabNode } from "../machine/node.ts";

const minutes = Number(process.env["PODWIRE_SOAK_MINUTES"] ?? 30);

describe.skipIf(cannotRunFullLab("podwire_bypass for long"))("podwire_bypass on kernel 6.1", () => {
  const on = bypassPods("6.1");

  test(
    `lasts ${minutes} minutes`,
    async () => {
      const { node1 } = on.lab;
      const end = Date.now() + minutes * 60_000;
      const repeat = async (work: () => Promise<unknown>) => {
        let times = 0;
        for (; Date.now() < end; times++) await work();
        return times;
      };
      const rounds = await withService(node1, on.away, () =>
        Promise.all([
          repeat(() => transfer(on.one, on.away, 10)),
          repeat(() => transfer(on.away, on.beside, 10, 6)),
          repeat(async () => {
            const questions = [...both(on.beside.address), ...both("10.96.0.1", 80).slice(0, 1)];
            expect((await ask(on.one, questions)).filter((answer) => !answer.includes("sees"))).toEqual([]);
          }),
          repeat(async () => {
            for (const mode of bypassModes) await on.setAll(`mode ${mode}`, ...podLines, "lease 60");
            await node1.sh(`${unloadBypass}; ${loadBypass}`);
            await setBypass(node1, "mode bypass", ...podLines);
          }),
        ]),
      );
      expect(Math.min(...rounds)).toBeGreaterThan(minutes / 2);
      const before = await leftIn(node1);
      // Nobody holds the module, and what it took is given back.
      for (let round = 0; round < 20; round++) {
        await node1.sh(`${unloadBypass}; ${loadBypass}`);
        await setBypass(node1, "mode bypass", ...podLines);
      }
      const after = await leftIn(node1);
      expect(after.unreclaimableKb - before.unreclaimableKb).toBeLessThan(4000);
      expect(after.perCpuKb - before.perCpuKb).toBeLessThan(500);
    },
    (minutes + 30) * 60_000,
  );
});

async function leftIn(node: LabNode): Promise<{ unreclaimableKb: number; perCpuKb: number }> {
  const printed = await node.sh("sleep 5; cat /proc/meminfo");
  const kilobytes = (name: string) => Number(new RegExp(`^${name}: +([0-9]+)`, "m").exec(printed)?.[1]);
  return { unreclaimableKb: kilobytes("SUnreclaim"), perCpuKb: kilobytes("Percpu") };
}
