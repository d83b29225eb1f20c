// What guests are made of: Debian 12's userland with the tools that tests need, and any of four kernels.

/** Kernels by version, each from the cloud kernel of the Debian suite that has it. */
export const kernelSuites = {
  "5.10": "bullseye",
  "6.1": "bookworm",
  "6.12": "trixie",
  "7.2": "sid",
} as const;

export type KernelVersion = keyof typeof kernelSuites;

export const kernelVersions = Object.keys(kernelSuites) as KernelVersion[];

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
