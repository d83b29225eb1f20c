// Builds a kernel module for the running kernel, by the kernel's own makefiles.
import fs from "node:fs";
import path from "node:path";
import { replaceFile, runDirectory } from "../linux/files.ts";
import { placeFor } from "./built.ts";
import { cannotBuild, explainMake } from "./fault.ts";
import { findHeaders, headersAdvice } from "./headers.ts";
import type { Host } from "./host.ts";
import { type KernelModule, kernelRelease, readText } from "./module.ts";
import { checksum, sourcesOf, unpack } from "./sources.ts";

/** Returns the module's file. */
export async function buildModule(module: KernelModule, host: Host): Promise<string> {
  const release = kernelRelease();
  const sources = sourcesOf(module);
  const headers = findHeaders(release);
  if (headers === undefined) {
    throw cannotBuild(module, `the headers of Linux ${release} are not installed; ${headersAdvice(release)}`);
  }
  // make would build for the headers' kernel all the same.
  const generated = readText(path.join(headers, "include/generated/utsrelease.h"));
  const headersRelease = /UTS_RELEASE "([^"]*)"/.exec(generated)?.[1];
  if (headersRelease !== release) {
    throw cannotBuild(
      module,
      `the headers in ${headers} are of Linux ${headersRelease ?? "(unknown)"}, and this is Linux ${release}; ${headersAdvice(release)}`,
    );
  }
  fs.mkdirSync(runDirectory, { recursive: true, mode: 0o700 });
  const work = fs.mkdtempSync(path.join(runDirectory, "build-"));
  try {
    unpack(sources, work);
    const output = await make(module, host, ["-C", headers, `M=${work}`, "modules"]);
    const made = path.join(work, `${module.name}.ko`);
    const place = placeFor(module, release, checksum(sources));
    fs.mkdirSync(place.directory, { recursive: true, mode: 0o755 });
    replaceFile(place.log, output, 0o644);
    replaceFile(place.file, fs.readFileSync(made), 0o644);
    return place.file;
  } finally {
    fs.rmSync(work, { recursive: true, force: true });
  }
}

async function make(module: KernelModule, host: Host, args: readonly string[]): Promise<string> {
  const outcome = await host.ask("make", args);
  if (outcome === undefined) {
    throw cannotBuild(module, "make is not in PATH; install the packages make and gcc");
  }
  const output = `${outcome.stdout}${outcome.stderr}`;
  if (outcome.exitCode === 0) return output;
  const log = path.join(runDirectory, `build-${module.name}.log`);
  replaceFile(log, output, 0o600);
  throw cannotBuild(module, `${explainMake(output)} (all of make's output is in ${log})`);
}
