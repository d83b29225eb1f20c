// Loads a kernel module, the right one of those that are there, and unloads it.
import path from "node:path";
import { builtModule } from "./built.ts";
import { cannotLoad, cannotUnload, explainAttempt } from "./fault.ts";
import type { Host } from "./host.ts";
import { isLoaded, type KernelModule, kernelRelease } from "./module.ts";
import { refusesAllModules, signaturePolicy } from "./policy.ts";
import { dependencies, requireFit } from "./vermagic.ts";

/**
 * Loads the file if there is one, else what DKMS or an administrator installed for this kernel, else what podwire built for it.
 * Does nothing if the module is loaded.
 */
export async function loadModule(module: KernelModule, host: Host, file?: string): Promise<void> {
  if (isLoaded(module)) return;
  const refusal = refusesAllModules();
  if (refusal !== undefined) throw cannotLoad(module, refusal);
  if (file !== undefined) return insert(module, path.resolve(file), host);
  const log = await kernelLog(host);
  const words = await run(module, host, "modprobe", [module.name]);
  if (words === undefined) return;
  if (!/not found in directory|not found\.?$|could not find module/i.test(words)) {
    throw explained(module, undefined, words, await newLines(module, log, host));
  }
  const release = kernelRelease();
  const built = builtModule(module, release);
  if (built !== undefined) return insert(module, built, host);
  throw cannotLoad(
    module,
    `there is none for Linux ${release}: podwire ${module.command} build builds it, DKMS or a package may install it, or ` +
      `give its file (podwire ${module.command} load --file FILE)`,
  );
}

export async function unloadModule(module: KernelModule, host: Host): Promise<void> {
  if (!isLoaded(module)) return;
  const words = await run(module, host, "rmmod", [module.name]);
  if (words === undefined) return;
  const hint = /in use/.test(words) ? "; remove what uses it first" : "";
  throw cannotUnload(module, `${words}${hint}`);
}

async function insert(module: KernelModule, file: string, host: Host): Promise<void> {
  await requireFit(module, file, host);
  for (const needed of await dependencies(module, file, host)) {
    const words = await run(module, host, "modprobe", [needed]);
    if (words !== undefined) throw cannotLoad(module, `${needed}, which it needs: ${words}`);
  }
  const log = await kernelLog(host);
  const words = await run(module, host, "insmod", [file]);
  // Another podwire may have been faster.
  if (words === undefined || isLoaded(module)) return;
  throw explained(module, file, words, await newLines(module, log, host));
}

function explained(module: KernelModule, file: string | undefined, words: string, log: readonly string[]) {
  const attempt = { module, words, log, release: kernelRelease(), policy: signaturePolicy() };
  return cannotLoad(module, explainAttempt(file === undefined ? attempt : { ...attempt, file }));
}

/** Returns its words if it failed. */
async function run(
  module: KernelModule,
  host: Host,
  program: string,
  args: readonly string[],
): Promise<string | undefined> {
  const outcome = await host.ask(program, args);
  if (outcome === undefined) throw cannotLoad(module, `${program} is not in PATH; install the package kmod`);
  if (outcome.exitCode === 0) return undefined;
  return outcome.stderr.trim().replaceAll("\n", "; ") || `${program} exited with ${outcome.exitCode}`;
}

/** Empty where it may not be read. */
async function kernelLog(host: Host): Promise<readonly string[]> {
  const outcome = await host.ask("dmesg", []);
  return outcome?.exitCode === 0 ? outcome.stdout.split("\n") : [];
}

const shown = 3;

/** What the kernel said of modules since. */
async function newLines(module: KernelModule, before: readonly string[], host: Host): Promise<string[]> {
  const known = new Set(before);
  return (await kernelLog(host))
    .filter((line) => !known.has(line) && (line.includes(module.name) || /Lockdown:|Loading of/.test(line)))
    .map((line) => line.replace(/^\[[^\]]*\] */, ""))
    .slice(0, shown);
}
