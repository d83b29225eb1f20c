// nftables: a script is one transaction, applied whole or not at all.
import fs from "node:fs";
import path from "node:path";
import { CniError, ErrorCode } from "../cni/error.ts";
import { type Command, runIn } from "./enter.ts";
import { makeDirectory, runDirectory } from "./files.ts";
import type { Kernel } from "./kernel.ts";
import type { NftObject } from "./nft-listing.ts";
import type { RunOutcome } from "./run.ts";

/** By the number of their IP version: nft's keyword in matches, and its type of addresses. */
export const nftFamilies = [
  { number: 4, keyword: "ip", type: "ipv4_addr" },
  { number: 6, keyword: "ip6", type: "ipv6_addr" },
] as const;

/** What nftApply runs: to be started ahead. */
export const nftScript: Command = { where: "host", name: "nft", args: ["-f", "-"] };

/** Applies a script on the host. Returns nft's words if it was refused. */
export async function nftApply(script: string, kernel: Kernel): Promise<string | undefined> {
  const asked = await runIn(nftScript, script, kernel);
  const outcome = cannotReadInput.test(asked.stderr) ? await applyFile(script, kernel) : asked;
  return outcome.exitCode === 0 ? undefined : outcome.stderr.trim() || `exit status ${outcome.exitCode}`;
}

/** Before 1.0.2 nft opens its input by that name, which the kernel refuses of a socket, as Node's pipes are. */
const cannotReadInput = /Could not open file "\/dev\/stdin"/;

async function applyFile(script: string, kernel: Kernel): Promise<RunOutcome> {
  makeDirectory(runDirectory, 0o700);
  const file = path.join(runDirectory, `nft-${process.pid}`);
  const descriptor = fs.openSync(file, "w+", 0o600);
  // It needs no name, and so leaves none behind when this process is killed.
  fs.rmSync(file);
  try {
    fs.writeFileSync(descriptor, script);
    const args = ["-f", `/proc/${process.pid}/fd/${descriptor}`];
    return await runIn({ where: "host", name: "nft", args }, "", kernel);
  } finally {
    fs.closeSync(descriptor);
  }
}

/** The objects of an inet table as `nft -j` lists them, or undefined if there is no such table. */
export async function nftTable(table: string, kernel: Kernel): Promise<NftObject[] | undefined> {
  const outcome = await runIn(
    { where: "host", name: "nft", args: ["-j", "list", "table", "inet", table] },
    "",
    kernel,
  );
  if (outcome.exitCode === 0) {
    return (JSON.parse(outcome.stdout) as { nftables: NftObject[] }).nftables;
  }
  if (isNftGone(outcome.stderr)) return undefined;
  throw nftRefused(`list table inet ${table}`, outcome.stderr.trim());
}

export function isNftGone(words: string): boolean {
  return words.includes("No such file or directory");
}

export function nftRefused(what: string, words: string): CniError {
  return new CniError(
    ErrorCode.kernelRefused,
    "nftables refused a change",
    `${what}: ${words.split("\n")[0]}; podwire needs nftables 0.9.6 and Linux 5.2 or newer`,
  );
}
