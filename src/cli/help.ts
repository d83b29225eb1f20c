// Help texts, made from the commands' descriptions.
import type { Command, Option } from "./command.ts";
import { commands } from "./commands.ts";
import { plainTable } from "./table.ts";

export function generalHelp(): string {
  const list = [
    ...commands.map(({ name, summary }) => [`  ${name}`, summary]),
    ["  help [command]", "show this, or the options of a command"],
  ];
  return `podwire: a CNI plugin; container runtimes call it with CNI_COMMAND set.
On the command line it looks after the node:

${plainTable(list)}`;
}

export function commandHelp({ name, summary, about, options }: Command): string {
  const usage = Object.entries(options).map(([option, { placeholder }]) =>
    placeholder === undefined ? ` [--${option}]` : ` [--${option} ${placeholder}]`,
  );
  const list = Object.entries(options).map(([option, description]) => [
    `  --${option}${description.placeholder === undefined ? "" : ` ${description.placeholder}`}`,
    describe(description),
  ]);
  const parts = [`Usage: podwire ${name}${usage.join("")}\n`, `${summary}\n`];
  if (list.length > 0) parts.push(plainTable(list));
  if (about !== "") parts.push(`${about}\n`);
  return parts.join("\n");
}

function describe({ summary, fallback }: Option): string {
  return fallback === undefined ? summary : `${summary} (default ${fallback})`;
}
