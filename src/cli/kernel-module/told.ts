// What `status` says of a kernel module before anything of its own: that it is not loaded, or is another podwire's.
import { type KernelModule, loadedVersion } from "../../kernel-module/module.ts";
import { describeAbsence, moduleState } from "../../kernel-module/state.ts";
import { podwireVersion } from "../../version.ts";
import type { Words } from "../command.ts";
import { commandHost } from "../command-host.ts";
import { printJson, type Terminal } from "../terminal.ts";

/** Of one that is not loaded; `more` goes with it as JSON. Returns the exit status. */
export async function tellAbsence(
  module: KernelModule,
  words: Words,
  terminal: Terminal,
  more: object = {},
): Promise<number> {
  const found = await moduleState(module, commandHost());
  if (words.flag("json")) printJson({ ...found, ...more }, terminal);
  else terminal.print(`${describeAbsence(module, found)}\n`);
  return 1;
}

/** Of one that is loaded: it stays until somebody unloads it, whatever podwire came since. */
export function tellOtherVersion(module: KernelModule, terminal: Terminal): void {
  const version = loadedVersion(module);
  if (version !== podwireVersion)
    terminal.print(`${describeOtherVersion(module, version, podwireVersion)}\n`);
}

export function describeOtherVersion(
  { name, command }: KernelModule,
  version: string | undefined,
  own: string,
): string {
  const loaded = version === undefined ? "says no version" : `is version ${version}`;
  return `the loaded ${name} ${loaded}, and this podwire is ${own}: podwire ${command} build, unload, load`;
}
