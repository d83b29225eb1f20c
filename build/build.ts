// `npm run build`: dist/podwire.cjs and dist/podwire, both or neither.
import fs from "node:fs";
import path from "node:path";
import { bundle } from "./bundle.ts";
import { makeExecutable } from "./executable.ts";

process.chdir(path.join(import.meta.dirname, ".."));
fs.mkdirSync("dist", { recursive: true });
const work = fs.mkdtempSync(path.resolve("dist/.build-"));
try {
  const built = path.join(work, "podwire.cjs");
  await bundle(built);
  await makeExecutable(built, path.join(work, "podwire"), work);
  for (const file of ["podwire.cjs", "podwire"])
    fs.renameSync(path.join(work, file), path.join("dist", file));
} finally {
  fs.rmSync(work, { recursive: true });
}
