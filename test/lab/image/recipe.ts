// What guests are made of: Debian 12's userland with the tools that tests need, and any of four kernels; or one that is
// made to look for its own faults.
import { LabError } from "../failure.ts";

/** Kernels by version, each from the cloud kernel of the Debian suite that has it. */
export const kernelSuites = {
  "5.10": "bullseye",
  "6.1": "bookworm",
  "6.12": "trixie",
  "7.2": "sid",
} as const;

export type DebianKernel = keyof typeof kernelSuites;

/** One more that no Debian has, for whoever asks for it: it is compiled here and looks for its own faults. */
export const debugKernel = "6.1-debug";

export type KernelVersion = DebianKernel | typeof debugKernel;

/** What "all kernels" are. */
export const kernelVersions = Object.keys(kernelSuites) as DebianKernel[];

export const allKernels: readonly KernelVersion[] = [...kernelVersions, debugKernel];

/** Throws unless `version` is one of them all. */
export function checkKernel(version: string): KernelVersion {
  const known = allKernels.find((candidate) => candidate === version);
  if (known !== undefined) return known;
  throw new LabError(
    `there is no kernel "${version}" for the lab: expected one of ${kernelVersions.join(", ")}, or ${debugKernel}`,
  );
}

/** How many times as long anything may take on it. */
export const slownessOf = (version: KernelVersion): number => (version === debugKernel ? 5 : 1);

/**
 * The userland's suite. It is the oldest one's that podwire is built on: binaries of later suites need a newer
 * glibc, and its own work with all kernels.
 */
export const userlandSuite = "bookworm";

export const guestPackages = [
  ...["busybox-static", "ca-certificates", "curl", "iputils-ping", "kmod", "procps", "psmisc", "util-linux"],
  ...["openssh-server", "strace", "tcpdump"],
  ...["iproute2", "nftables", "iptables", "ipset", "ipvsadm", "conntrack", "ethtool"],
  ...["openvswitch-switch", "podman", "containerd", "containernetworking-plugins"],
  ...["qperf", "iperf3", "nginx-light", "wrk", "netcat-openbsd", "socat"],
  // Node is linked to them, and so is podwire.
  ...["libatomic1", "libstdc++6"],
];
