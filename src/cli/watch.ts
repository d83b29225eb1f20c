// `podwire apply --watch`: stays until it is told to end, and leaves the overlay in place then.
import path from "node:path";
import { keep } from "../node/watch.ts";
import { readDeclaration } from "./apply-overlay.ts";
import type { Run } from "./command.ts";
import { listConfigurations } from "./conflist.ts";
import { printable } from "./table.ts";

const nodeFile = "/etc/podwire/node.json";

export const watch: Run = async (words, terminal) => {
  const confDir = words.text("conf-dir") ?? "";
  const stop = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => stop.abort());
  await keep({
    read: (before, refersTo) => readDeclaration(confDir, before, refersTo),
    files: () => [confDir, nodeFile, ...configurationsIn(confDir)],
    searchPath: process.env["PATH"],
    say: (message) => terminal.complain(`podwire: ${printable(message)}`),
    stop: stop.signal,
  });
  return 0;
};

/** What cannot be listed cannot be read either, which is said. */
function configurationsIn(directory: string): string[] {
  try {
    return listConfigurations(directory).map((name) => path.join(directory, name));
  } catch {
    return [];
  }
}
