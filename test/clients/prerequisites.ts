// What a machine must have for the runtime tests, and a loud word when it has not: a skipped test must not
// look like a passed one.
import { join } from "node:path";
import { findProgram, isExecutable } from "../../src/linux/programs.ts";

const debianPackages: Record<string, string> = {
  busybox: "busybox-static",
  conmon: "conmon",
  containerd: "containerd",
  ctr: "containerd",
  ip: "iproute2",
  iptables: "iptables",
  nft: "nftables",
  nsenter: "util-linux",
  podman: "podman",
  runc: "runc",
  setpriv: "util-linux",
  tar: "tar",
  unshare: "util-linux",
};

/** True, with a warning that says why, when these tests cannot run here. */
export function cannotRun(suite: string, programs: string[], plugins: string[]): boolean {
  const reasons: string[] = [];
  if (process.getuid?.() !== 0) reasons.push("not root");
  for (const program of [
    "ip",
    "iptables",
    "nft",
    "nsenter",
    "setpriv",
    "tar",
    "unshare",
    "busybox",
    ...programs,
  ])
    if (!isOnPath(program))
      reasons.push(`no ${program} (Debian package ${debianPackages[program] ?? program})`);
  for (const plugin of plugins)
    if (!isExecutable(join(referencePluginDir, plugin)))
      reasons.push(`no ${join(referencePluginDir, plugin)} (Debian package containernetworking-plugins)`);
  if (reasons.length === 0) return false;
  console.warn(`SKIPPED, NOT TESTED: ${suite}: ${reasons.join("; ")}`);
  return true;
}

/** Where Debian installs the reference plugins, and where its ctr looks for plugins. */
export const referencePluginDir = "/usr/lib/cni";

function isOnPath(program: string): boolean {
  return findProgram(program, process.env["PATH"]) !== undefined;
}
