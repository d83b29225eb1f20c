// What the verbs need to know of one call. Nothing here outlives the call.
import type { CniArgs } from "../cni/args.ts";
import type { CniEnvironment } from "../cni/environment.ts";
import type { CniVersion } from "../cni/versions.ts";
import type { NetworkConfig } from "../config/network.ts";
import type { AttachmentName } from "../datapath/datapath.ts";
import type { IpamRequest } from "../ipam/ipam.ts";
import type { Kernel } from "../linux/kernel.ts";
import type { Netns } from "../linux/netns.ts";
import type { Log } from "../log.ts";

export interface Call extends IpamRequest {
  readonly config: NetworkConfig;
  readonly version: CniVersion;
  readonly environment: CniEnvironment;
  readonly args: CniArgs;
  readonly log: Log;
}

export function nameOf(call: Call): AttachmentName {
  const { containerID, ifname } = call.environment;
  return { network: call.config.name, containerID, ifname };
}

/** How errors name it. */
export function describeAttachment({ network, containerID, ifname }: AttachmentName): string {
  return `interface ${ifname} of container ${containerID} in network ${network}`;
}

export function kernelOf(call: Call, pod?: Netns): Kernel {
  return kernelUntil(call.deadline, call, pod);
}

/** For undoing: still works when the call's own time is over. */
export function undoKernelOf(call: Call, pod?: Netns): Kernel {
  return kernelUntil(call.undoDeadline, call, pod);
}

function kernelUntil(deadline: AbortSignal, { environment, config }: Call, pod?: Netns): Kernel {
  return {
    searchPath: environment.variables["PATH"],
    deadline,
    timeout: config.timeout,
    ...(pod && { pod }),
  };
}
