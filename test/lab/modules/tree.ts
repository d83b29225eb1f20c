// Root file systems to compile in, of the packages of one Debian suite.
import fs from "node:fs";
import path from "node:path";
import { openSuite, withAdvice } from "../host/apt.ts";
import { obtain } from "../host/cache.ts";
import { type Running, run } from "../host/run.ts";
import { acquireOptions } from "../image/root.ts";

const formatVersion = 1;

export async function treeWith(name: string, suite: string, packages: readonly string[]): Promise<string> {
  const directory = await obtain({
    name,
    recipe: { formatVersion, suite, packages },
    mebibytes: 1500,
    build: (work) => buildTree(name, suite, packages, work),
  });
  return path.join(directory, "tree");
}

/** Makes it as `tree` in `directory`. */
export async function buildTree(
  name: string,
  suite: string,
  packages: readonly string[],
  directory: string,
): Promise<void> {
  console.error(`lab: unpacking ${name} from Debian packages (one to three minutes)`);
  const apt = path.join(directory, "apt");
  const { source, configuration } = await openSuite(suite, apt);
  const temporary = path.join(directory, "tmp");
  fs.mkdirSync(temporary);
  const mmdebstrap = [
    ...["mmdebstrap", "--mode=root", "--variant=essential"],
    ...acquireOptions(configuration),
    `--include=${packages.join(",")}`,
    ...[suite, path.join(directory, "tree"), source],
  ];
  const options = { env: { TMPDIR: temporary }, contained: true, timeoutSeconds: 1200 };
  await withAdvice(`${source}" with "${packages[0]}`, () => run(mmdebstrap, options));
  for (const done of [apt, temporary]) fs.rmSync(done, { recursive: true });
}

/** Runs a shell script as root of the tree, where `directory` is /mnt. Returns what it prints. */
export function runInside(
  tree: string,
  directory: string,
  script: string,
  { env = {}, timeoutSeconds = 900 }: Pick<Running, "env" | "timeoutSeconds"> = {},
): Promise<string> {
  const enter = 'mount -t proc proc "$0/proc" && mount --bind "$1" "$0/mnt" && exec chroot "$0" sh -c "$2"';
  return run(["sh", "-c", enter, tree, directory, `exec 2>&1; ${script}`], {
    contained: true,
    timeoutSeconds,
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C", ...env },
  });
}
