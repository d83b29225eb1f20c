// Where modules are that podwire built: one for each kernel and each version of the sources. All of it can be built again.
import fs from "node:fs";
import path from "node:path";
import type { KernelModule } from "./module.ts";
import { checksum, sourcesOf } from "./sources.ts";

const cache = "/var/cache/podwire/modules";

export interface BuiltPlace {
  readonly directory: string;
  /** The module itself. */
  readonly file: string;
  /** What make said. */
  readonly log: string;
}

export function placeFor(
  module: KernelModule,
  release: string,
  sum = checksum(sourcesOf(module)),
): BuiltPlace {
  const directory = path.join(cache, release, `${module.packageName}-${sum}`);
  return {
    directory,
    file: path.join(directory, `${module.name}.ko`),
    log: path.join(directory, "build.log"),
  };
}

/** undefined if none was built for this kernel from these sources. */
export function builtModule(module: KernelModule, release: string): string | undefined {
  try {
    const { file } = placeFor(module, release);
    return fs.existsSync(file) ? file : undefined;
  } catch {
    return undefined;
  }
}
