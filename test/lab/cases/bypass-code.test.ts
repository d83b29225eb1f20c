// The module podwire_bypass as code: it compiles for every kernel without a complaint, and its classifier, which is
// the same in user space, is judged by tables and by random bytes under sanitizers.
import path from "node:path";
import { describe, expect, test } from "vitest";
import { bypassSource } from "../fixture/bypass.ts";
import { isFull, testedKernels } from "../fixture/kernels.ts";
import { cannotRunFullLab } from "../fixture/shared-lab.ts";
import { checkpatch } from "../modules/checkpatch.ts";
import { compile, compileProgram } from "../modules/compile.ts";
import { userlandTree } from "../modules/toolchain.ts";
import { runInside } from "../modules/tree.ts";

const sanitizers = "-g -O1 -Wall -Wextra -Werror";

async function runProgram(file: string, flags: string, args: string): Promise<string> {
  const program = await compileProgram(bypassSource, file, flags);
  // LeakSanitizer wants to trace, which not every machine allows.
  const env = { ASAN_OPTIONS: "detect_leaks=0" };
  return runInside(await userlandTree(), path.dirname(program), `/mnt/${path.basename(program)} ${args}`, {
    env,
  });
}

describe.skipIf(cannotRunFullLab("podwire_bypass as code"))("podwire_bypass", () => {
  test.each(testedKernels)(
    "compiles for kernel %s without warnings, and sparse has nothing to say",
    async (kernel) => {
      for (const scrutiny of ["warnings", "sparse"] as const) {
        expect((await compile(bypassSource, kernel, scrutiny)).complaints).toEqual([]);
      }
    },
  );

  test("is written as the kernel's checkpatch wants it", async () => {
    expect(await checkpatch(bypassSource)).toEqual([]);
  });

  test("classifies each row of the tables as expected", async () => {
    const printed = await runProgram("test/classify.c", `${sanitizers} -fsanitize=address,undefined`, "");
    expect(printed).toMatch(/^[0-9]{3,} passed, 0 failed\n?$/);
  });

  test("remembers a flow no longer than it may, whatever conntrack learns meanwhile", async () => {
    const flags = `${sanitizers} -fsanitize=address,undefined -Itest -Itest/kernel`;
    expect(await runProgram("test/memory.c", flags, "")).toMatch(/^[0-9]{2,} passed, 0 failed\n?$/);
  });

  test("classifies random bytes without reading beyond them, and alike in both directions", async () => {
    const length = isFull ? "-max_total_time=600" : "-runs=300000";
    const flags = `${sanitizers} -fsanitize=fuzzer,address,undefined`;
    const printed = await runProgram("test/fuzz.c", flags, `-max_len=200 -seed=1 ${length}`);
    expect(printed).toMatch(/Done [0-9]+ runs/);
  });
});
