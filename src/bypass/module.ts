// The kernel module itself: whether it is there, and loading it.
import fs from "node:fs";
import os from "node:os";
import { CniError, ErrorCode } from "../cni/error.ts";
import type { Host } from "./host.ts";

const name = "podwire_bypass";

export function isModuleLoaded(): boolean {
  return fs.existsSync("/proc/net/podwire_bypass");
}

/** Loads what DKMS or an administrator installed for this kernel, or the file. */
export async function loadModule(host: Host, file: string | undefined): Promise<void> {
  if (isModuleLoaded()) return;
  // insmod looks for nothing that the module needs.
  if (file !== undefined) await run(host, "modprobe", ["nf_conntrack"]);
  const outcome =
    file === undefined ? await run(host, "modprobe", [name]) : await run(host, "insmod", [file]);
  if (outcome !== undefined) throw refused(outcome, file);
}

export async function unloadModule(host: Host): Promise<void> {
  if (!isModuleLoaded()) return;
  const words = await run(host, "rmmod", [name]);
  if (words !== undefined) throw new CniError(ErrorCode.kernelRefused, "the module stays loaded", words);
}

/** Returns its words if it failed. */
async function run(host: Host, program: string, args: readonly string[]): Promise<string | undefined> {
  const outcome = await host.ask(program, args);
  if (outcome === undefined) return `${program} is not in PATH; install the package kmod`;
  return outcome.exitCode === 0
    ? undefined
    : outcome.stderr.trim() || `${program} exited with ${outcome.exitCode}`;
}

export function refused(words: string, file: string | undefined): CniError {
  const release = os.release();
  const why = [
    [
      /Key was rejected|Required key not available|Loading of unsigned module is rejected/,
      "Secure Boot or lockdown lets only signed modules in: sign it with a key that the machine knows (mokutil)",
    ],
    [
      /not found in directory/,
      `there is none for Linux ${release}: build it (make in netfilter-bypass, with linux-headers-${release})`,
    ],
    [
      /Invalid module format|Exec format error/,
      `${file ?? "it"} was built for another kernel than Linux ${release}: build it for this one`,
    ],
    [/Operation not permitted/, "run it as root, and outside of containers"],
  ] as const;
  const known = why.find(([pattern]) => pattern.test(words));
  const details = known === undefined ? words : `${words}; ${known[1]}`;
  return new CniError(ErrorCode.kernelRefused, "the bypass module cannot be loaded", details);
}
