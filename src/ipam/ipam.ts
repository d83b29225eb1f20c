// What an IPAM does for an attachment. host-local runs in process; every other type is a program
// delegated to, found on CNI_PATH.
import type { CniArgs } from "../cni/args.ts";
import type { CniEnvironment } from "../cni/environment.ts";
import type { Dns, IpConfig, Route } from "../cni/result.ts";
import type { CniVersion } from "../cni/versions.ts";
import type { NetworkConfig } from "../config/network.ts";

export interface IpamResult {
  ips: IpConfig[];
  routes: Route[];
  dns: Dns;
}

export interface IpamRequest {
  readonly config: NetworkConfig;
  readonly version: CniVersion;
  /** The configuration as the runtime gave it: what a delegated plugin gets on stdin. */
  readonly rawConfig: Readonly<Record<string, unknown>>;
  readonly environment: CniEnvironment;
  readonly args: CniArgs;
  /** Aborted when the call's deadline has passed. */
  readonly deadline: AbortSignal;
  /** Outlives `deadline`: for undoing what was begun. */
  readonly undoDeadline: AbortSignal;
}

/** An attachment of a network as the specification's GC names it. */
export interface AttachmentKey {
  readonly containerID: string;
  readonly ifname: string;
}

/** All operations throw CniError. */
export interface Ipam {
  add(request: IpamRequest): Promise<IpamResult>;
  /** Succeeds if there is nothing to release. */
  del(request: IpamRequest): Promise<void>;
  /** The attachment's addresses, as far as this IPAM can tell; without prefix length. */
  held(request: IpamRequest): Promise<string[]>;
  check(request: IpamRequest): Promise<void>;
  /** Releases what belongs to no attachment in `valid`. `listed`: when that was made up, in milliseconds of the epoch. */
  gc(request: IpamRequest, valid: readonly AttachmentKey[], listed: number): Promise<void>;
  status(request: IpamRequest): Promise<void>;
}
