// The STT module compiles for each kernel, and neither the compiler's further warnings, nor sparse, nor the kernel's
// style checker find fault.
import path from "node:path";
import { describe, expect, test } from "vitest";
import { testedKernels } from "../fixture/kernels.ts";
import { cannotRunFullLab } from "../fixture/shared-lab.ts";
import { checkpatch } from "../modules/checkpatch.ts";
import { compile } from "../modules/compile.ts";

const source = path.join(import.meta.dirname, "../../../stt-tunnel");

describe.skipIf(cannotRunFullLab("building STT"))("the STT module", () => {
  describe.each(testedKernels)("for kernel %s", (kernel) => {
    test.each(["none", "warnings", "sparse"] as const)(
      "compiles without a complaint (%s)",
      async (scrutiny) => {
        const { modules, complaints } = await compile(source, kernel, scrutiny);
        expect(complaints).toEqual([]);
        expect(modules.map((file) => path.basename(file))).toEqual(["podwire_stt.ko"]);
      },
    );
  });

  test("has the kernel's style", async () => {
    expect(await checkpatch(source)).toEqual([]);
  });
});
