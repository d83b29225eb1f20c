// The single executable: the pinned Node without its symbol tables, the bundle in it as a startup snapshot.
// Stripping comes first: afterwards it would cut the snapshot off.
import fs from "node:fs";
import path from "node:path";
import { execa } from "execa";

/** `work` is a directory for what is needed on the way. */
export async function makeExecutable(bundleFile: string, outfile: string, work: string): Promise<void> {
  const config = path.join(work, "sea.json");
  const made = path.join(work, "made");
  fs.writeFileSync(
    config,
    JSON.stringify({
      main: bundleFile,
      executable: await strippedNode(path.join(work, "node")),
      output: made,
      useSnapshot: true,
      assets: await helpers(work),
      disableExperimentalSEAWarning: true,
      // The environment must not be able to bring code in: by NODE_OPTIONS, or by an OPENSSL_CONF that names
      // a provider's library.
      execArgvExtension: "none",
      // V8's young generation would else take 48 MB while thousands of peers are read.
      execArgv: ["--openssl-config=/dev/null", "--max-semi-space-size=4"],
    }),
  );
  await execa(process.execPath, ["--build-sea", config]);
  // Copied rather than moved: the page cache of a file that was written in one piece maps in large
  // folios, which show as 35 MB more of resident memory in each process.
  fs.copyFileSync(made, outfile);
  fs.chmodSync(outfile, 0o755);
}

/** Without a C compiler and a static libc, `podwire bypass` looks for its helper in PATH. */
async function helpers(work: string): Promise<Record<string, string>> {
  const name = "podwire-bypass-ctl";
  const made = path.join(work, name);
  const source = `netfilter-bypass/ctl/${name}.c`;
  const flags = ["-static", "-Os", "-s", "-Wl,--build-id=none"];
  const compiled = await execa("cc", [...flags, "-o", made, source], { reject: false });
  if (!compiled.failed) return { [name]: made };
  console.warn(`cc failed, ${name} is left out: ${compiled.shortMessage}`);
  return {};
}

/** binutils may be absent: then the executable is 30 MB larger and works as well. */
async function strippedNode(outfile: string): Promise<string> {
  fs.copyFileSync(process.execPath, outfile);
  fs.chmodSync(outfile, 0o755);
  const stripped = await execa("strip", [outfile], { reject: false });
  if (stripped.failed) console.warn(`strip failed, the symbols stay in: ${stripped.shortMessage}`);
  return outfile;
}
