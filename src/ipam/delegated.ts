// Every IPAM but host-local: a plugin on CNI_PATH, run by exec.
import { delegate } from "../cni/delegate.ts";
import type { Verb } from "../cni/environment.ts";
import { CniError, ErrorCode } from "../cni/error.ts";
import { decodeResult } from "../cni/result-versions.ts";
import { isAtLeast } from "../cni/versions.ts";
import type { AttachmentKey, Ipam, IpamRequest, IpamResult } from "./ipam.ts";

export const delegated: Ipam = { add, del, held, check, gc, status };

async function add(request: IpamRequest): Promise<IpamResult> {
  try {
    const { type } = request.config.ipam;
    const result = decodeResult((await exec("ADD", request)) ?? {}, request.version, `${type} ADD`);
    if (result.ips.length > 0) return result;
    throw new CniError(
      ErrorCode.decode,
      "the IPAM gave no address",
      `${type} ADD returned a result without ips`,
    );
  } catch (error) {
    // A plugin that failed, hung or talked nonsense may hold an address all the same.
    await exec("DEL", { ...request, deadline: request.undoDeadline }).catch(() => {});
    throw error;
  }
}

async function del(request: IpamRequest): Promise<void> {
  await exec("DEL", request);
}

/** No verb of the specification asks for it. */
async function held(): Promise<string[]> {
  return [];
}

async function check(request: IpamRequest): Promise<void> {
  await exec("CHECK", request);
}

/** Plugins from before 1.1.0 have no GC; what podwire knows of was released by DEL already. */
async function gc(request: IpamRequest, _valid: readonly AttachmentKey[]): Promise<void> {
  await execIfKnown("GC", request);
}

async function status(request: IpamRequest): Promise<void> {
  await execIfKnown("STATUS", request);
}

async function execIfKnown(verb: Verb, request: IpamRequest): Promise<void> {
  if (!isAtLeast(request.version, "1.1.0")) return;
  const unknownVerb: number[] = [ErrorCode.incompatibleVersion, ErrorCode.invalidEnvironment];
  await exec(verb, request).catch((error: unknown) => {
    if (!(error instanceof CniError) || !unknownVerb.includes(error.code)) throw error;
  });
}

function exec(verb: Verb, { config, rawConfig, environment, deadline }: IpamRequest): Promise<unknown> {
  return delegate({ type: config.ipam.type, verb, config: rawConfig, environment, deadline });
}
