// `podwire bypass load` and `unload`.
import { loadModule, unloadModule } from "../../bypass/module.ts";
import type { Run } from "../command.ts";
import { commandHost } from "./host.ts";

export const load: Run = async (words) => {
  await loadModule(commandHost(), words.text("file"));
  return 0;
};

export const unload: Run = async () => {
  await unloadModule(commandHost());
  return 0;
};
