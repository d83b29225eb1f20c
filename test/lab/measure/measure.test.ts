// What is refused before any guest is started.
import { expect, test } from "vitest";
import { measure } from "./measure.ts";
import { hostToHost } from "./variants.ts";

test.each([0, 2, -1, 1.5, Number.NaN])(
  "%s rounds are refused, because they have no median",
  async (rounds) => {
    await expect(measure({ name: "mine", rounds, variants: [hostToHost] })).rejects.toThrow(
      `${rounds} rounds of "mine": expected an odd whole number`,
    );
  },
);

test("a plan without variants is refused", async () => {
  await expect(measure({ name: "mine", variants: [] })).rejects.toThrow('"mine" has no variants');
});
