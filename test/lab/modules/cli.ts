// `npm run module -- DIRECTORY`: compiles a kernel module for the lab's kernels, for people.
import fs from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { LabError } from "../failure.ts";
import { allKernels, debugKernel, kernelVersions } from "../image/recipe.ts";
import { checkpatch } from "./checkpatch.ts";
import { compile, scrutinies } from "./compile.ts";

const usage = `Usage: npm run module -- DIRECTORY [OPTION...]

Compiles the kernel module in DIRECTORY (one with a Kbuild file) for the kernels of the lab, and prints the files.

  --kernel VERSION   ${kernelVersions.join(", ")}, or "all" of them (default); or ${debugKernel}
  --check KIND       ${scrutinies.join(", ")}: compile with W=1, or run sparse; fails if there is a complaint
  --style            run the kernel's checkpatch on the C files instead
  --out DIRECTORY    copy the modules to DIRECTORY/VERSION/
`;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      kernel: { type: "string", default: "all" },
      check: { type: "string", default: "none" },
      style: { type: "boolean", default: false },
      out: { type: "string" },
    },
  });
  const [source] = positionals;
  const versions = allKernels.filter(
    (version) => version === values.kernel || (values.kernel === "all" && version !== debugKernel),
  );
  const scrutiny = scrutinies.find((kind) => kind === values.check);
  if (source === undefined || versions.length === 0 || scrutiny === undefined) throw new LabError(usage);
  if (values.style) return report(await checkpatch(source));
  let status = 0;
  for (const version of versions) {
    const { modules, complaints } = await compile(source, version, scrutiny);
    console.log(`${version}: ${modules.join(" ")}`);
    if (values.out !== undefined) {
      const directory = path.join(values.out, version);
      fs.mkdirSync(directory, { recursive: true });
      for (const file of modules) fs.copyFileSync(file, path.join(directory, path.basename(file)));
    }
    status = Math.max(status, report(complaints));
  }
  return status;
}

function report(complaints: readonly string[]): number {
  for (const complaint of complaints) console.log(complaint);
  return complaints.length === 0 ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof LabError)) throw error;
  console.error(`module: ${error.message}`);
  process.exitCode = 1;
}
