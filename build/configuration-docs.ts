// `npm run docs`: docs/configuration.md from the schemas that the plugin checks configurations with.
import fs from "node:fs";
import path from "node:path";
import { networkSchema, nodeSchema } from "../src/config/network.ts";
import { hostLocalSchema } from "../src/ipam/host-local/schema.ts";
import { type Row, rowsOf } from "./configuration-tables.ts";

export const documentFile = path.join(import.meta.dirname, "../docs/configuration.md");

/** Keys that no administrator writes. */
const runtimeKeys = [
  "cniVersion",
  "name",
  "args",
  "runtimeConfig",
  "prevResult",
  "cni.dev/valid-attachments",
  "cni.dev/attachments",
];

export function configurationDocument(): string {
  const rows = rowsOf(networkSchema);
  const isRuntimes = ({ key }: Row) => runtimeKeys.some((name) => isAtOrBelow(key, name));
  const own = rows.filter((row) => !isRuntimes(row));
  return `# Configuration

<!-- Made by \`npm run docs\` from the schemas in src/; edit those. -->

A conflist is a list of plugins that a runtime calls one after the other; podwire is one of them. Ready ones
are in [conf/](../conf). At the top of a conflist stand \`cniVersion\` (0.1.0 to 1.1.0; a runtime that is older
than the version does not load the file: podman 4 and containerd 1.6 know up to 1.0.0, and GC and STATUS
exist since 1.1.0) and \`name\`, the network's name, under which addresses and records are kept.

Unknown keys are refused with code 2, bad values with code 7, each naming the key, the value and what was
expected ([errors.md](errors.md)). \`podwire doctor\` checks the conflists of a node before a pod is at stake
([command-line.md](command-line.md)).

## podwire's entry in the conflist

${table(own)}

## /etc/podwire/node.json

Defaults of one node, so that one conflist can serve many different ones. The conflist wins, key by key: a
section such as \`overlay\` is taken whole from one of the two. The file may be absent. DEL does not read it: an
attachment is removed the way it was added. These keys may stand in it, with the meanings above:
${topKeys(rowsOf(nodeSchema)).map(code).join(", ")}.

## ipam of type host-local

Runs in process, with the keys, the order of allocation and the files of the reference plugin of that name:
both can take turns on one \`dataDir\`. Any other \`type\` is the name of a plugin on CNI_PATH, which gets the
whole configuration and documents its own keys.

${table(rowsOf(hostLocalSchema))}

## Put in by the runtime

Nobody writes these into a conflist's entry; they are listed for people who call plugins by hand.

${table(rows.filter(isRuntimes))}
`;
}

function isAtOrBelow(key: string, name: string): boolean {
  return key === name || key.startsWith(name.endsWith(".") ? name : `${name}.`) || key.startsWith(`${name}[`);
}

function topKeys(rows: readonly Row[]): string[] {
  return rows.map(({ key }) => key).filter((key) => !/[.[]/.test(key));
}

function table(rows: readonly Row[]): string {
  const lines = rows.map(({ key, required, value, meaning }) =>
    [code(key), `${value}${required ? " (required)" : ""}`, meaning]
      .map((cell) => cell.replaceAll("|", "\\|"))
      .join(" | "),
  );
  return ["| Key | Value | Meaning |", "| --- | --- | --- |", ...lines.map((line) => `| ${line} |`)].join(
    "\n",
  );
}

function code(text: string): string {
  return `\`${text}\``;
}

if (import.meta.main) fs.writeFileSync(documentFile, configurationDocument());
