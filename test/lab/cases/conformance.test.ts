// The conformance cases of the routed veth datapath, file by file inside of guests of each kernel: the tests
// are those that run on this machine's kernel, unchanged.
import { describe, expect, test } from "vitest";
import { testInGuest } from "../fixture/in-guest.ts";
import { testedKernels } from "../fixture/kernels.ts";
import { cannotRunLab, sharedLab } from "../fixture/shared-lab.ts";
import type { LabNode } from "../machine/node.ts";
import { recordResult } from "../results.ts";

/** The longest first, so that two guests end at about the same time. */
const cases = [
  ...["check", "masquerade", "protocol", "del", "results", "gc", "requests", "routes"],
  ...["add-again", "status", "pods"],
];

describe.skipIf(cannotRunLab("conformance in guests")).each(testedKernels)("on kernel %s", (kernel) => {
  const lab = sharedLab({ kernel, payload: "tests" });
  let idle: LabNode[] | undefined;

  test.concurrent.each(cases)("the cases of %s pass in a guest", async (name) => {
    // vitest's maxConcurrency is the number of guests.
    idle ??= [...lab.nodes];
    const node = idle.pop() as LabNode;
    const { passed, skipped, failures } = await testInGuest(node, `test/netns/${name}.test.ts`);
    idle.push(node);
    console.log(`kernel ${kernel}: ${name}: ${passed} passed, ${failures.length} failed, ${skipped} skipped`);
    recordResult(kernel, "conformance", passed);
    expect(failures).toEqual([]);
    expect(passed).toBeGreaterThan(0);
  });
});
