// All of podwire in one CommonJS file, which serves both as the snapshot's script and, with Node 22 or
// newer, as a program of its own. The same sources give the same bytes.
import fs from "node:fs";
import { build } from "esbuild";

export async function bundle(outfile: string): Promise<void> {
  const { version } = JSON.parse(fs.readFileSync("package.json", "utf8")) as { version: string };
  await build({
    entryPoints: ["src/main.ts"],
    outfile,
    bundle: true,
    platform: "node",
    format: "cjs",
    target: "node22",
    minify: true,
    // Stack traces and error names stay readable in debug logs.
    keepNames: true,
    legalComments: "none",
    define: { PODWIRE_VERSION: JSON.stringify(version) },
    banner: { js: "#!/usr/bin/env node" },
    logLevel: "warning",
  });
  fs.chmodSync(outfile, 0o755);
}
