// The conformance cases inside of guests of each kernel, for each datapath: the tests are those that run on this machine's
// kernel, unchanged. With every change those run in which kernels differ most, for a release all.
import { describe, expect, test } from "vitest";
import type { DatapathName } from "../../fixture/shape/shape.ts";
import { groupsOf } from "../fixture/conformance-groups.ts";
import { testInGuest } from "../fixture/in-guest.ts";
import { testedKernels } from "../fixture/kernels.ts";
import { cannotRunLab, sharedLab } from "../fixture/shared-lab.ts";
import type { LabNode } from "../machine/node.ts";
import { recordResult } from "../results.ts";

// Open vSwitch comes last: its kernel module changes what every packet passes, and cannot be had back.
const datapaths: readonly DatapathName[] = ["veth", "ipvlan", "ovs"];
const runs = datapaths.flatMap((datapath) =>
  groupsOf(datapath).map((names) => ({ datapath, names, title: names.join(", ") })),
);

describe.skipIf(cannotRunLab("conformance in guests")).each(testedKernels)("on kernel %s", (kernel) => {
  // Many calls at once are many Node processes.
  const lab = sharedLab({ kernel, payload: "tests", memory: 2048 });
  let idle: LabNode[] | undefined;

  test.concurrent.each(runs)(
    "the cases of $title pass in a guest with $datapath",
    async ({ datapath, names, title }) => {
      // vitest's maxConcurrency is the number of guests.
      idle ??= [...lab.nodes];
      const node = idle.pop() as LabNode;
      const files = names.map((name) => `test/netns/${name}.test.ts`);
      const outcome = await testInGuest(node, files, datapath).finally(() => idle?.push(node));
      const { passed, skipped, failures } = outcome;
      const counts = `${passed} passed, ${failures.length} failed, ${skipped} skipped`;
      console.log([`kernel ${kernel}, ${datapath}: ${title}: ${counts}`, ...failures].join("\n"));
      recordResult(kernel, `conformance, ${datapath}`, passed);
      expect(failures).toEqual([]);
      expect(passed).toBeGreaterThan(0);
    },
    3_900_000,
  );
});
