// The conformance cases inside of guests of each kernel, for each datapath: the tests are those that run on this machine's
// kernel, unchanged. With every change those run in which kernels differ most, for a release all.
import { describe } from "vitest";
import type { DatapathName } from "../../fixture/shape/shape.ts";
import { groupsOf } from "../fixture/conformance-groups.ts";
import { testGroupsInGuests } from "../fixture/in-guest.ts";
import { testedKernels } from "../fixture/kernels.ts";
import { cannotRunLab, sharedLab } from "../fixture/shared-lab.ts";
import { recordResult } from "../results.ts";

// Open vSwitch comes last: its kernel module changes what every packet passes, and cannot be had back.
const datapaths: readonly DatapathName[] = ["veth", "ipvlan", "ovs"];
const groups = datapaths.flatMap((datapath) => groupsOf(datapath).map((names) => ({ datapath, names })));

describe.skipIf(cannotRunLab("conformance in guests")).each(testedKernels)("on kernel %s", (kernel) => {
  // Many calls at once are many Node processes.
  const lab = sharedLab({ kernel, payload: "tests", memory: 2048 });

  testGroupsInGuests(lab, groups, `kernel ${kernel}`, ({ datapath }, passed) =>
    recordResult(kernel, `conformance, ${datapath}`, passed),
  );
});
