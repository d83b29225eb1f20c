// Four projects: `unit` runs anywhere without root; `system` runs the built executable on this kernel as root; `ovs` runs
// its conformance tests again with the ovs datapath, for a release; `lab` runs them in virtual machines. All but the first go one file
// after the other, because their tests share the machine's two cores with daemons and kernels. Then they need no processes of their
// own either, each of which would load the same modules again.
import { defineConfig } from "vitest/config";
import { hasOpenVswitch } from "./test/fixture/open-vswitch.ts";
import { slowness } from "./test/lab/fixture/kernels.ts";

const conformance = ["test/netns/**/*.test.ts"];
const system = [...conformance, "test/chain/**/*.test.ts", "test/clients/**/*.test.ts", "test/**/*.system.test.ts"];
const lab = ["test/lab/cases/**/*.test.ts"];

const isFull = process.env["PODWIRE_LAB"] === "full";

// Failures of guests are all that is seen of them.
const asRoot = {
  testTimeout: 120_000,
  hookTimeout: 120_000,
  fileParallelism: false,
  isolate: false,
  chaiConfig: { truncateThreshold: 0 },
} as const;

if (isFull && !hasOpenVswitch) console.warn("SKIPPED, NOT TESTED: the ovs datapath on this kernel: Open vSwitch is missing");

const ovs = {
  test: {
    ...asRoot,
    name: "ovs",
    include: conformance,
    exclude: ["test/netns/ovs-*.test.ts"],
    env: { PODWIRE_TEST_DATAPATH: "ovs" },
    sequence: { groupOrder: 2 },
  },
};

export default defineConfig({
  test: {
    projects: [
      {
        test: { name: "unit", include: ["test/**/*.test.ts"], exclude: [...system, ...lab], testTimeout: 60_000, hookTimeout: 60_000 },
      },
      {
        test: { ...asRoot, name: "system", include: system },
      },
      ...(isFull && hasOpenVswitch ? [ovs] : []),
      {
        test: {
          name: "lab",
          include: lab,
          globalSetup: "test/lab/fixture/fresh-results.ts",
          testTimeout: 900_000 * slowness,
          hookTimeout: 120_000 * slowness,
          fileParallelism: false,
          maxConcurrency: 2,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
