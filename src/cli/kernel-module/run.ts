// `build`, `load` and `unload` of a kernel module, the same for each.
import path from "node:path";
import { buildModule } from "../../kernel-module/build.ts";
import { loadModule, unloadModule } from "../../kernel-module/load.ts";
import type { KernelModule } from "../../kernel-module/module.ts";
import { sourcesOf, unpack } from "../../kernel-module/sources.ts";
import type { Run } from "../command.ts";
import { commandHost } from "../command-host.ts";

/** A slow machine compiles for minutes. */
const buildTimeoutMs = 30 * 60_000;

export const build =
  (module: KernelModule): Run =>
  async (words, terminal) => {
    const directory = words.text("sources-to");
    if (directory !== undefined) {
      unpack(sourcesOf(module), path.resolve(directory));
      terminal.print(`the sources are in ${path.resolve(directory)}; nothing was built\n`);
      return 0;
    }
    const file = await buildModule(module, commandHost(buildTimeoutMs));
    terminal.print(`${file}\n`);
    return 0;
  };

export const load =
  (module: KernelModule): Run =>
  async (words) => {
    await loadModule(module, commandHost(), words.text("file"));
    return 0;
  };

export const unload =
  (module: KernelModule): Run =>
  async () => {
    await unloadModule(module, commandHost());
    return 0;
  };
