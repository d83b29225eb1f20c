// What a machine must have for chains with the reference plugins, and a loud word when it has not: a skipped
// test must not look like a passed one.
import { existsSync } from "node:fs";
import path from "node:path";
import { findProgram, isExecutable } from "../../src/linux/programs.ts";
import { executable, referencePluginDir } from "../fixture/node.ts";

const debianPackages: Readonly<Record<string, string>> = {
  ip: "iproute2",
  ip6tables: "iptables",
  iptables: "iptables",
  nft: "nftables",
  nsenter: "util-linux",
  setpriv: "util-linux",
  tc: "iproute2",
  unshare: "util-linux",
};

/** True, with a warning that says why, when the tests of `suite` cannot run here. */
export function cannotRun(suite: string, plugins: readonly string[]): boolean {
  const missing = Object.entries(debianPackages)
    .filter(([program]) => !isOnPath(program))
    .map(([program, debianPackage]) => `no ${program} (Debian package ${debianPackage})`);
  const missingPlugins = plugins
    .map((plugin) => path.join(referencePluginDir, plugin))
    .filter((file) => !isExecutable(file))
    .map((file) => `no ${file} (Debian package containernetworking-plugins)`);
  const reasons = [
    ...(process.getuid?.() === 0 ? [] : ["not root"]),
    ...(existsSync(executable) ? [] : [`no ${executable} (npm run build)`]),
    ...missing,
    ...missingPlugins,
  ];
  if (reasons.length === 0) return false;
  console.warn(`SKIPPED, NOT TESTED: ${suite}: ${reasons.join("; ")}`);
  return true;
}

function isOnPath(program: string): boolean {
  return findProgram(program, process.env["PATH"]) !== undefined;
}
