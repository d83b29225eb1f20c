// The guests' root file system: one ext4 image, of which each guest writes to a copy of its own.
import fs from "node:fs";
import path from "node:path";
import { openSuite, withAdvice } from "../host/apt.ts";
import { obtain } from "../host/cache.ts";
import { run } from "../host/run.ts";
import { makeImage } from "./ext4.ts";
import { guestPackages, userlandSuite } from "./recipe.ts";

export interface RootImage {
  readonly image: string;
  /** A static busybox, for what runs before the image is mounted. */
  readonly busybox: string;
}

const guestFiles = path.join(import.meta.dirname, "guest");
const formatVersion = 2;

export async function rootImage(): Promise<RootImage> {
  const files = ["init", "sshd_config"].map((name) => fs.readFileSync(path.join(guestFiles, name), "utf8"));
  const directory = await obtain({
    name: "root",
    recipe: { formatVersion, userlandSuite, guestPackages, files },
    mebibytes: 2500,
    build: buildRoot,
  });
  return { image: path.join(directory, "root.ext4"), busybox: path.join(directory, "busybox") };
}

async function buildRoot(directory: string): Promise<void> {
  console.error("lab: building the guests' root file system from Debian packages (about a minute)");
  const tree = path.join(directory, "tree");
  const apt = path.join(directory, "apt");
  const { source, configuration } = await openSuite(userlandSuite, apt);
  const mmdebstrap = [
    ...["mmdebstrap", "--mode=root", "--variant=minbase"],
    ...acquireOptions(configuration),
    `--include=${guestPackages.join(",")}`,
    ...[userlandSuite, tree, source],
  ];
  // What it leaves when it is killed goes with the build.
  const temporary = path.join(directory, "tmp");
  fs.mkdirSync(temporary);
  const env = { TMPDIR: temporary };
  await withAdvice(source, () => run(mmdebstrap, { env, contained: true, timeoutSeconds: 1200 }));
  prepareTree(tree);
  fs.copyFileSync(path.join(tree, "bin/busybox"), path.join(directory, "busybox"));
  // Room for what guests write.
  await makeImage(tree, path.join(directory, "root.ext4"), 4096, "writable");
  for (const done of [tree, apt, temporary]) fs.rmSync(done, { recursive: true });
}

/** mmdebstrap makes a configuration of its own; how to reach the mirror it must be told. */
export function acquireOptions(configuration: string): string[] {
  const lines = fs.readFileSync(configuration, "utf8").split("\n");
  return lines.filter((line) => line.startsWith("Acquire::")).map((line) => `--aptopt=${line}`);
}

function prepareTree(tree: string): void {
  const install = (from: string, to: string, mode: number) => {
    fs.copyFileSync(path.join(guestFiles, from), path.join(tree, to));
    fs.chmodSync(path.join(tree, to), mode);
  };
  install("init", "sbin/podwire-lab-init", 0o755);
  install("sshd_config", "etc/ssh/sshd_config.lab", 0o644);
  for (const directory of ["usr/lib/modules", "lab", "opt/cni/bin", "etc/cni/net.d"]) {
    fs.mkdirSync(path.join(tree, directory), { recursive: true });
  }
  fs.symlinkSync("/lab/podwire/dist/podwire", path.join(tree, "opt/cni/bin/podwire"));
  // Keys that every guest had would be keys that everybody has.
  for (const file of fs.readdirSync(path.join(tree, "etc/ssh"))) {
    if (file.startsWith("ssh_host_")) fs.rmSync(path.join(tree, "etc/ssh", file));
  }
}
