// Programs of a node with something done before or after them, by scripts that podwire finds first.
import fs from "node:fs";
import type { ClusterNode } from "./cluster.ts";

const directory = "/run/bin";

/** For podwire's environment. `script`: of sh; has what the program reads in $input, and runs it by `real "$@"`. */
export function wrap(node: ClusterNode, program: "ip" | "nft", script: string): { readonly PATH: string } {
  const file = `${directory}/${program}`;
  fs.mkdirSync(node.file(directory), { recursive: true });
  node.write(
    file,
    `#!/bin/sh
real=$(PATH=/usr/sbin:/usr/bin:/sbin:/bin command -v ${program})
input=$(cat)
real() { printf '%s\\n' "$input" | "$real" "$@"; }
${script}
`,
  );
  fs.chmodSync(node.file(file), 0o755);
  return { PATH: `${directory}:${process.env["PATH"]}` };
}
