// How it stands with a kernel module: loaded, or what `load` would take, or what keeps it from being loaded.
import { builtModule } from "./built.ts";
import { describePolicy } from "./fault.ts";
import type { Host } from "./host.ts";
import { isLoaded, type KernelModule, kernelRelease, loadedVersion } from "./module.ts";
import { refusesAllModules, signaturePolicy } from "./policy.ts";

export interface ModuleState {
  readonly loaded: boolean;
  /** The running kernel's. */
  readonly kernel: string;
  /** Of the loaded module, where it says one. */
  readonly version?: string;
  /** Where there is one for this kernel: what is installed, else what was built. */
  readonly file?: string;
  /** Who may be loaded, or why nothing may. */
  readonly restriction?: string;
}

export async function moduleState(module: KernelModule, host: Host): Promise<ModuleState> {
  const version = loadedVersion(module);
  const file = await availableFile(module, host);
  const restriction = refusesAllModules() ?? describePolicy(signaturePolicy());
  return {
    loaded: isLoaded(module),
    kernel: kernelRelease(),
    ...(version === undefined ? {} : { version }),
    ...(file === undefined ? {} : { file }),
    ...(restriction === undefined ? {} : { restriction }),
  };
}

/** For one that is not loaded: what to do. */
export function describeAbsence(
  { command }: KernelModule,
  { kernel, file, restriction }: ModuleState,
): string {
  const limits = restriction === undefined ? "" : ` (${restriction})`;
  return file === undefined
    ? `the module is not loaded, and there is none for Linux ${kernel}: podwire ${command} build, then podwire ${command} load${limits}`
    : `the module is not loaded: podwire ${command} load, which takes ${file}${limits}`;
}

async function availableFile(module: KernelModule, host: Host): Promise<string | undefined> {
  const installed = await host.ask("modinfo", ["-F", "filename", module.name]);
  if (installed?.exitCode === 0 && installed.stdout.trim() !== "") return installed.stdout.trim();
  return builtModule(module, kernelRelease());
}
