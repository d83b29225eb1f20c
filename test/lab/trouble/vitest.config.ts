// For complaining.ts alone, which no other project includes.
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: { include: ["test/lab/trouble/complaining.ts"], testTimeout: 120_000, hookTimeout: 120_000 },
});
