// Three projects: `unit` runs anywhere without root; `system` runs the built executable on this kernel as root;
// `lab` runs it in virtual machines. The latter two go one file after the other, because their tests share the
// machine's two cores with daemons and kernels.
import { defineConfig } from "vitest/config";

const system = ["test/netns/**/*.test.ts", "test/chain/**/*.test.ts", "test/clients/**/*.test.ts", "test/**/*.system.test.ts"];
const lab = ["test/lab/cases/**/*.test.ts"];

export default defineConfig({
  test: {
    projects: [
      {
        test: { name: "unit", include: ["test/**/*.test.ts"], exclude: [...system, ...lab], testTimeout: 60_000, hookTimeout: 60_000 },
      },
      {
        test: { name: "system", include: system, testTimeout: 120_000, hookTimeout: 120_000, fileParallelism: false },
      },
      {
        test: {
          name: "lab",
          include: lab,
          globalSetup: "test/lab/fixture/fresh-results.ts",
          testTimeout: 900_000,
          hookTimeout: 120_000,
          fileParallelism: false,
          maxConcurrency: 2,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
