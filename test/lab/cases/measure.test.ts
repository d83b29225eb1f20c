// That measurements by instructions repeat, whatever else the host does, and that they see what a pod's way
// through its node costs.
import { describe, expect, test } from "vitest";
import { testedKernels } from "../fixture/kernels.ts";
import { cannotRunLab } from "../fixture/shared-lab.ts";
import { measure } from "../measure/measure.ts";
import { udpSendRate } from "../measure/measurements.ts";
import { textOf } from "../measure/report.ts";
import { hostToHost, vethByHostRoutes } from "../measure/variants.ts";

/** Seen were 0.3 % on hosts of any load. What the host's speed can reach moves figures by 2 to 10 %. */
const bound = 0.02;

describe.skipIf(cannotRunLab("measurements"))("measuring by instructions", () => {
  test.each(testedKernels)("repeats on kernel %s, and a pod's datagram costs more", async (kernel) => {
    const report = await measure({
      name: "between nodes",
      kernel,
      rounds: 3,
      variants: [hostToHost, vethByHostRoutes],
      deterministic: [udpSendRate],
    });
    console.log(textOf(report));
    const figures = report.runs.flatMap((run) => run.figures);
    expect(figures.map(({ variant, samples }) => [variant, samples.length])).toEqual([
      ["host", 3],
      ["veth, host-gw", 3],
    ]);
    for (const { variant, samples, spread } of figures) {
      expect(spread, `${variant}: ${samples.join(", ")}`).toBeLessThan(bound);
    }
    const [host, veth] = figures;
    expect(host?.ratio).toBe(1);
    // About 0.57: a second pass through routing and one veth pair.
    expect(veth?.ratio).toBeGreaterThan(0.3);
    expect(veth?.ratio).toBeLessThan(0.9);
  });
});
