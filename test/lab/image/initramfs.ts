// The initramfs: busybox, the modules that reach a virtio disk, and a script that mounts it.
import fs from "node:fs";
import path from "node:path";
import { run } from "../host/run.ts";

const script = path.join(import.meta.dirname, "guest/initramfs");
export const initScript = fs.readFileSync(script, "utf8");

/** What finds a disk on q35; a kernel may have some of them built in. */
const wanted = ["virtio_pci", "virtio_blk"];

/** `modules` is the directory of one release, with its modules.dep. `work` is for what is needed on the way. */
export async function buildInitramfs(
  modules: string,
  busybox: string,
  outfile: string,
  work: string,
): Promise<void> {
  const tree = path.join(work, "initramfs");
  for (const directory of ["bin", "modules"]) fs.mkdirSync(path.join(tree, directory), { recursive: true });
  fs.copyFileSync(busybox, path.join(tree, "bin/busybox"));
  fs.chmodSync(path.join(tree, "bin/busybox"), 0o755);
  fs.copyFileSync(script, path.join(tree, "init"));
  fs.chmodSync(path.join(tree, "init"), 0o755);
  const order = loadOrder(fs.readFileSync(path.join(modules, "modules.dep"), "utf8"), wanted);
  const names = order.map((file) => path.basename(file).replace(/\.xz$/, ""));
  for (const [index, file] of order.entries()) {
    const copy = path.join(tree, "modules", path.basename(file));
    fs.copyFileSync(path.join(modules, file), copy);
    if (file.endsWith(".xz")) await run(["xz", "-d", copy]);
    fs.accessSync(path.join(tree, "modules", names[index] ?? ""));
  }
  fs.writeFileSync(path.join(tree, "modules/order"), names.map((name) => `${name}\n`).join(""));
  await run(["sh", "-c", 'cd "$0" && find . | cpio --quiet -o -H newc > "$1"', tree, outfile]);
}

/**
 * Files of the named modules and of all that they need, in the order to load them, from the text of
 * modules.dep (`file: what it needs, the last first`). Modules that are not in it are built in.
 */
export function loadOrder(dependencies: string, names: readonly string[]): string[] {
  const lines = dependencies.split("\n").map((line) => {
    const [file = "", needs = ""] = line.split(":");
    return { file, needs: needs.trim().split(" ").filter(Boolean) };
  });
  const files = names.flatMap((name) => {
    const found = lines.find(({ file }) => moduleName(file) === name);
    return found === undefined ? [] : [...found.needs.toReversed(), found.file];
  });
  return [...new Set(files)];
}

function moduleName(file: string): string {
  return path.basename(file).replace(/\.ko(\.xz)?$/, "");
}
