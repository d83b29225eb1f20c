// The kernel's own style checker. Debian has it only in the whole source of a kernel, from which it is taken once.
import fs from "node:fs";
import path from "node:path";
import { download, openSuite } from "../host/apt.ts";
import { obtain } from "../host/cache.ts";
import { run } from "../host/run.ts";

const suiteName = "bookworm";
const metapackage = "linux-source";
const scripts = ["checkpatch.pl", "spelling.txt", "const_structs.checkpatch"];

/**
 * Returns what checkpatch finds in the C files of a module's directory, a line each; none if all is well. Its tests and its control
 * program run in userspace, and are no kernel code.
 */
export async function checkpatch(source: string): Promise<string[]> {
  const directory = await obtain({
    name: "checkpatch",
    recipe: { suiteName, metapackage, scripts },
    mebibytes: 400,
    build: fetchScripts,
  });
  const files = fs
    .readdirSync(source, { recursive: true, encoding: "utf8" })
    .filter((file) => /\.[ch]$/.test(file) && !/^(tests?|ctl)\/|\.mod\.c$/.test(file))
    .map((file) => path.join(source, file));
  const options = [
    // No tree of the kernel is there.
    ...["--no-tree", "--strict", "--terse", "--quiet", "--no-summary", "--show-types"],
    // What is written once and used as a list of many kinds, the kernel's own trace events among them.
    ...["--ignore", "COMPLEX_MACRO,MACRO_ARG_REUSE,OPEN_ENDED_LINE,PARENTHESIS_ALIGNMENT"],
    "--file",
  ];
  const command = ["perl", path.join(directory, "checkpatch.pl"), ...options, ...files];
  const found = await run(["sh", "-c", '"$@" || true', "sh", ...command]);
  return found.split("\n").filter((line) => line.includes(": "));
}

async function fetchScripts(directory: string): Promise<void> {
  console.error("lab: fetching the kernel's checkpatch (about a minute)");
  const work = path.join(directory, "work");
  const packages = path.join(work, "packages");
  fs.mkdirSync(packages, { recursive: true });
  const suite = await openSuite(suiteName, path.join(work, "apt"));
  const [file = ""] = await download(suite, metapackage, /^linux-source-[0-9]/, packages);
  const members = scripts.map((name) => `"$top/scripts/${name}"`).join(" ");
  const unpack = `
    dpkg-deb --fsys-tarfile "$0" | tar -xO --wildcards './usr/src/linux-source-*.tar.xz' > "$1/source.tar.xz"
    top=$(dpkg-deb --contents "$0" | grep -o 'linux-source-[0-9.]*[0-9]\\.tar' | head -1); top=\${top%.tar}
    tar -xJf "$1/source.tar.xz" -C "$2" --strip-components=2 ${members}`;
  await run(["sh", "-e", "-c", unpack, file, work, directory], { timeoutSeconds: 600 });
  fs.rmSync(work, { recursive: true });
}
