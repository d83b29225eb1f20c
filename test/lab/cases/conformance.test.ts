// The conformance cases, file by file inside of guests of each kernel, for each datapath: the tests are those that run on
// this machine's kernel, unchanged. With every change they run for veth, for a release for all datapaths.
import { describe, expect, test } from "vitest";
import type { DatapathName } from "../../fixture/shape/shape.ts";
import { testInGuest } from "../fixture/in-guest.ts";
import { isFull, testedKernels } from "../fixture/kernels.ts";
import { cannotRunLab, sharedLab } from "../fixture/shared-lab.ts";
import type { LabNode } from "../machine/node.ts";
import { recordResult } from "../results.ts";

/** With every change: what of a pod kernels differ in most. The longest first, so that two guests end at about the same time. */
const kernels = ["check", "masquerade", "gc", "pods"];
const others = [
  "del",
  "routes",
  "add-again",
  "status",
  "crash",
  "concurrency",
  "hostile-values",
  "hostile-machine",
  "hostile-programs",
  "hostile-ipam",
  "hostile-documents",
  "names",
  "delegates",
  "injection",
  "protocol",
  "results",
  "requests",
  "advertised",
  "reboot",
];

const cases: Readonly<Record<DatapathName, readonly string[]>> = {
  veth: isFull ? [...kernels, ...others] : kernels,
  ipvlan: isFull ? [...kernels, ...others] : [],
  ovs: isFull ? [...kernels, ...others] : [],
};

// Open vSwitch comes last: its kernel module changes what every packet passes, and cannot be had back.
const runs = (["veth", "ipvlan", "ovs"] as const).flatMap((datapath) =>
  cases[datapath].map((name) => ({ datapath, name })),
);

describe.skipIf(cannotRunLab("conformance in guests")).each(testedKernels)("on kernel %s", (kernel) => {
  // Many calls at once are many Node processes.
  const lab = sharedLab({ kernel, payload: "tests", memory: 2048 });
  let idle: LabNode[] | undefined;

  test.concurrent.each(runs)(
    "the cases of $name pass in a guest with $datapath",
    async ({ datapath, name }) => {
      // vitest's maxConcurrency is the number of guests.
      idle ??= [...lab.nodes];
      const node = idle.pop() as LabNode;
      const outcome = await testInGuest(node, `test/netns/${name}.test.ts`, datapath).finally(() =>
        idle?.push(node),
      );
      const { passed, skipped, failures } = outcome;
      const counts = `${passed} passed, ${failures.length} failed, ${skipped} skipped`;
      console.log([`kernel ${kernel}, ${datapath}: ${name}: ${counts}`, ...failures].join("\n"));
      recordResult(kernel, `conformance, ${datapath}`, passed);
      expect(failures).toEqual([]);
      expect(passed).toBeGreaterThan(0);
    },
    1_900_000,
  );
});
