// podwire's entry of a conflist, completed the way a runtime does it before it calls the plugin.
import fs from "node:fs";

interface Conflist {
  readonly cniVersion: string;
  readonly name: string;
  readonly plugins: readonly { readonly type: string }[];
}

export function podwireEntry(file: string): Record<string, unknown> {
  const { cniVersion, name, plugins } = JSON.parse(fs.readFileSync(file, "utf8")) as Conflist;
  const entry = plugins.find(({ type }) => type === "podwire");
  if (entry === undefined) throw new Error(`${file} has no entry of type podwire`);
  return { cniVersion, name, ...entry };
}
