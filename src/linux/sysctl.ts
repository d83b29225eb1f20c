// Kernel settings under /proc/sys. The host's are files; the pod's are only visible to a process inside
// its netns, so tee and cat do the writing and reading there.
import fs from "node:fs";
import { CniError, ErrorCode } from "../cni/error.ts";
import { runIn } from "./enter.ts";
import type { Kernel } from "./kernel.ts";

/** A key is a path below /proc/sys, "net/ipv4/conf/eth0/forwarding": link names may hold dots. */
export function readHostSysctl(key: string): string | undefined {
  try {
    return fs.readFileSync(fileOf(key), "utf8").trim();
  } catch {
    return undefined;
  }
}

/** Writes only what differs: a write to a forwarding key makes the kernel visit every link. */
export function writeHostSysctl(key: string, value: string): void {
  if (readHostSysctl(key) === value) return;
  try {
    fs.writeFileSync(fileOf(key), value);
  } catch (error) {
    throw refused(key, value, error instanceof Error ? error.message : String(error));
  }
}

/** Sets several keys to one value by one process in the pod's netns. */
export async function writePodSysctls(keys: readonly string[], value: string, kernel: Kernel): Promise<void> {
  const outcome = await runIn({ where: "pod", name: "tee", args: keys.map(fileOf) }, value, kernel);
  if (outcome.exitCode !== 0) throw refused(keys.join(", "), value, outcome.stderr.trim());
}

/** Values in the order of the keys; undefined where a key cannot be read. */
export async function readPodSysctls(
  keys: readonly string[],
  kernel: Kernel,
): Promise<(string | undefined)[]> {
  if (keys.length === 0) return [];
  const outcome = await runIn({ where: "pod", name: "cat", args: keys.map(fileOf) }, "", kernel);
  const missing = new Set(keys.filter((key) => outcome.stderr.includes(`${fileOf(key)}:`)));
  const values = outcome.stdout.split("\n");
  return keys.map((key) => (missing.has(key) ? undefined : values.shift()?.trim()));
}

function fileOf(key: string): string {
  return `/proc/sys/${key}`;
}

function refused(key: string, value: string, why: string): CniError {
  return new CniError(
    ErrorCode.kernelRefused,
    "a kernel setting cannot be made",
    `sysctl ${key} = ${value}: ${why}`,
  );
}
