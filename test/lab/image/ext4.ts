// File system images, filled without mounting them.
import fs from "node:fs";
import { run } from "../host/run.ts";

/** Makes `image`, sparse, of `mebibytes`, with the content of `tree`, all of which belongs to root. */
export async function makeImage(
  tree: string,
  image: string,
  mebibytes: number,
  use: "read-only" | "writable" = "read-only",
): Promise<void> {
  // A node that loses its power finds its files by the journal, and so must a guest that does.
  const journal = use === "writable" ? ["-J", "size=32"] : ["-O", "^has_journal"];
  const features = [...journal, "-m", "0"];
  const mke2fs = ["mke2fs", "-q", "-F", "-t", "ext4", ...features, "-d", tree, image, `${mebibytes}M`];
  await run(mke2fs, { timeoutSeconds: 300 });
}

/** What an image for `tree` needs, with room for metadata. */
export function sizeForTree(tree: string): number {
  let bytes = 0;
  let files = 0;
  for (const entry of fs.readdirSync(tree, { recursive: true, withFileTypes: true })) {
    files += 1;
    if (entry.isFile()) bytes += fs.statSync(`${entry.parentPath}/${entry.name}`).size;
  }
  return Math.ceil((bytes * 1.1 + files * 4096) / 1024 / 1024) + 16;
}
