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
      assets: await assets(work),
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

/** What src/kernel-module/carried.ts looks for. */
async function assets(work: string): Promise<Record<string, string>> {
  const made = await Promise.all(modules.map(({ folder, program }) => controlProgram(folder, program, work)));
  return Object.assign({}, ...made, ...modules.map(({ folder }) => moduleSources(folder))) as Record<
    string,
    string
  >;
}

const modules = [
  { folder: "netfilter-bypass", program: "podwire-bypass-ctl" },
  { folder: "stt-tunnel", program: "podwire-stt-ctl" },
];

/** Without a C compiler and a static libc, podwire looks for it in PATH. */
async function controlProgram(folder: string, name: string, work: string): Promise<Record<string, string>> {
  const made = path.join(work, name);
  const source = `${folder}/ctl/${name}.c`;
  const flags = ["-static", "-Os", "-s", "-Wl,--build-id=none"];
  const compiled = await execa("cc", [...flags, "-o", made, source], { reject: false });
  if (!compiled.failed) return { [name]: made };
  console.warn(`cc failed, ${name} is left out: ${compiled.shortMessage}`);
  return {};
}

/** What builds the module, without its tests and what an earlier make left. */
function moduleSources(folder: string): Record<string, string> {
  const files = fs
    .readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .filter((file) => !/\/(test|tests|ctl|out)\//.test(file) && !file.endsWith(".mod.c"))
    .filter((file) => /\.[ch]$|\/(Kbuild|Makefile|COPYING|dkms\.conf)$/.test(file));
  return Object.fromEntries(files.sort().map((file) => [file, file]));
}

/** binutils may be absent: then the executable is 30 MB larger and works as well. */
async function strippedNode(outfile: string): Promise<string> {
  fs.copyFileSync(process.execPath, outfile);
  fs.chmodSync(outfile, 0o755);
  const stripped = await execa("strip", [outfile], { reject: false });
  if (stripped.failed) console.warn(`strip failed, the symbols stay in: ${stripped.shortMessage}`);
  return outfile;
}
