// The debug kernel notices what it is there for, and the lab hears of it.
import fs from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { testedKernels } from "../fixture/kernels.ts";
import { cannotRunLab } from "../fixture/shared-lab.ts";
import { debugKernel } from "../image/recipe.ts";
import { type Lab, startLab } from "../lab.ts";
import { forgetLeaks, leaksIn } from "../machine/leaks.ts";
import { compile } from "../modules/compile.ts";

const source = path.join(import.meta.dirname, "../trouble/faulty");
const isAskedFor = testedKernels.includes(debugKernel);

describe.skipIf(!isAskedFor || cannotRunLab("the debug kernel"))("the debug kernel", () => {
  let lab: Lab;
  beforeAll(async () => {
    const { modules } = await compile(source, debugKernel);
    lab = await startLab({ nodes: 1, kernel: debugKernel });
    const input = fs.readFileSync(modules[0] ?? "").toString("base64");
    await lab.node1.sh("base64 -d > /tmp/faulty.ko", { input });
  }, 4 * 3600_000);
  afterAll(() => lab?.stop());

  const makeMistake = (mistake: string) =>
    lab.node1.sh(`insmod /tmp/faulty.ko 'mistake="${mistake}"'; rmmod faulty`);

  test("finds nothing wrong with itself", async () => {
    expect(await lab.faults()).toEqual([]);
  });

  test("tells of memory that is lost", async () => {
    await forgetLeaks(lab);
    await makeMistake("loss");
    const leaks = await leaksIn(lab);
    expect(leaks).toHaveLength(1);
    expect(leaks[0]).toMatch(/^node1: unreferenced object .* \(size (100|128)\):/);
  });

  // In this order: what the second says is the end of all looking for locks, and so is what nests badly.
  test.each([
    ["unprotected read", "WARNING: suspicious RCU usage"],
    ["locks by turns", "WARNING: possible circular locking dependency detected"],
    ["sleep in a spin lock", "BUG: sleeping function called from invalid context"],
    ["pending work freed", "ODEBUG: free active"],
    ["read after free", "BUG: KASAN: "],
  ])("tells of %s", async (mistake, words) => {
    await makeMistake(mistake);
    expect((await lab.faults()).filter((line) => line.includes(words))).not.toEqual([]);
  });
});
