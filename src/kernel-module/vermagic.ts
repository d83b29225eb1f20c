// Whether a module's file was built for the running kernel, before the kernel is asked: it says only "invalid format".
import fs from "node:fs";
import { cannotLoad } from "./fault.ts";
import type { Host } from "./host.ts";
import { type KernelModule, kernelRelease } from "./module.ts";

/** Throws if it is no module, another one, or another kernel's. */
export async function requireFit(module: KernelModule, file: string, host: Host): Promise<void> {
  if (!isFile(file)) throw cannotLoad(module, `${file}: there is no such file`);
  const name = await field("name", file, module, host);
  if (name !== module.name) {
    const found = name === "" ? "no kernel module" : `the kernel module ${name}`;
    throw cannotLoad(module, `${file} is ${found}; expected ${module.name}`);
  }
  const release = kernelRelease();
  const [builtFor = ""] = (await field("vermagic", file, module, host)).split(" ");
  if (builtFor !== release) {
    throw cannotLoad(
      module,
      `${file} was built for Linux ${builtFor || "(unknown)"}, and this is Linux ${release}: podwire ${module.command} ` +
        "build builds it for this one",
    );
  }
}

/** Modules that it needs, which insmod does not look for. */
export async function dependencies(module: KernelModule, file: string, host: Host): Promise<string[]> {
  return (await field("depends", file, module, host)).split(",").filter((name) => name !== "");
}

async function field(name: string, file: string, module: KernelModule, host: Host): Promise<string> {
  const outcome = await host.ask("modinfo", ["-F", name, file]);
  if (outcome === undefined) throw cannotLoad(module, "modinfo is not in PATH; install the package kmod");
  return outcome.stdout.trim();
}

function isFile(file: string): boolean {
  return fs.statSync(file, { throwIfNoEntry: false })?.isFile() === true;
}
