// podwire_bypass for half an hour of mixed traffic (PODWIRE_SOAK_MINUTES says how long else) while it is reconfigured and
// loaded anew all the time: nothing is lost that TCP does not repair, and nothing is left in the kernel.
import { describe, expect, test } from "vitest";
import { loadBypass, setBypass, unloadBypass } from "../fixture/bypass.ts";
import { type BypassPods, both, bypassModes, bypassPods, podLines } from "../fixture/bypass-pods.ts";
import { testedKernels } from "../fixture/kernels.ts";
import { withService } from "../fixture/service.ts";
import { cannotRunFullLab } from "../fixture/shared-lab.ts";
import { ask } from "../fixture/talk.ts";
import { transfer } from "../fixture/traffic.ts";
import type { LabNode } from "../machine/node.ts";

const minutes = Number(process.env["PODWIRE_SOAK_MINUTES"] ?? 30);
/** What the kernel keeps for itself from its first use on is there by then. */
const warmUpMinutes = 2;
/** The memory of flows and the marks of a guest with one processor. */
const tablesKb = 192;

describe.skipIf(cannotRunFullLab("podwire_bypass for long")).each(testedKernels)(
  "podwire_bypass on kernel %s",
  (kernel) => {
    const on = bypassPods(kernel);

    test(
      `lasts ${minutes} minutes`,
      async () => {
        const { node1 } = on.lab;
        await underUnrest(on, warmUpMinutes);
        const before = await leftIn(node1);
        const { fewest, loads } = await underUnrest(on, minutes);
        const after = await leftIn(node1);
        console.log(`kernel ${kernel}: ${loads} loads, left ${JSON.stringify({ before, after })}`);
        expect(fewest).toBeGreaterThan(minutes / 2);
        // What a dozen of the loads would leave is seen.
        expect(after.unreclaimableKb - before.unreclaimableKb).toBeLessThan(12 * tablesKb);
        expect(after.perCpuKb - before.perCpuKb).toBeLessThan(64);
        expect(after.connections - before.connections).toBeLessThan(10);
      },
      (minutes + 30) * 60_000,
    );
  },
);

/** Returns how often at least each kind of traffic and of change was had, and how often the module was loaded. */
async function underUnrest(on: BypassPods, forMinutes: number): Promise<{ fewest: number; loads: number }> {
  const { node1 } = on.lab;
  const end = Date.now() + forMinutes * 60_000;
  const repeat = async (work: () => Promise<unknown>) => {
    let times = 0;
    for (; Date.now() < end; times++) await work();
    return times;
  };
  const rounds = await withService(node1, on.away, () =>
    Promise.all([
      repeat(async () => {
        for (const mode of bypassModes) await on.setAll(`mode ${mode}`, ...podLines, "lease 60");
        await node1.sh(`${unloadBypass}; ${loadBypass}`);
        await setBypass(node1, "mode bypass", ...podLines);
      }),
      repeat(() => transfer(on.one, on.away, 10)),
      repeat(() => transfer(on.away, on.beside, 10, 6)),
      repeat(async () => {
        const questions = [...both(on.beside.address), ...both("10.96.0.1", 80).slice(0, 1)];
        expect((await ask(on.one, questions)).filter((answer) => !answer.includes("sees"))).toEqual([]);
      }),
    ]),
  );
  return { fewest: Math.min(...rounds), loads: rounds[0] };
}

interface Left {
  readonly unreclaimableKb: number;
  readonly perCpuKb: number;
  /** That conntrack knows. */
  readonly connections: number;
}

/** Without the module, which nobody may hold, and without what others may let go of. */
async function leftIn(node: LabNode): Promise<Left> {
  const printed = await node.sh(`${unloadBypass}; conntrack -F; sync; echo 3 > /proc/sys/vm/drop_caches
    sleep 10; cat /proc/meminfo; echo Connections: $(cat /proc/sys/net/netfilter/nf_conntrack_count)
    ${loadBypass}`);
  const number = (name: string) => Number(new RegExp(`^${name}: +([0-9]+)`, "m").exec(printed)?.[1]);
  return {
    unreclaimableKb: number("SUnreclaim"),
    perCpuKb: number("Percpu"),
    connections: number("Connections"),
  };
}
