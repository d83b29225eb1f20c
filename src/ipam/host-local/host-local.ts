// The in-process host-local IPAM: configuration keys, allocation order and store of the reference plugin
// (github.com/containernetworking/plugins, plugins/ipam/host-local), so that both can take turns on a store.
import path from "node:path";
import { formatIp, type Ip, parseIp, parsePrefix } from "../../address/ip.ts";
import { CniError, ErrorCode, toCniError } from "../../cni/error.ts";
import type { NetworkConfig } from "../../config/network.ts";
import type { AttachmentKey, Ipam, IpamRequest, IpamResult } from "../ipam.ts";
import { allocate } from "./allocate.ts";
import { collect } from "./collect.ts";
import { parseConfig, requestedIps, storeDirectory } from "./config.ts";
import { findLeases } from "./lease.ts";
import { rangeFor, sameIp } from "./range.ts";
import { readResolvConf } from "./resolv-conf.ts";
import { listNames, probeWriting, removeFile, temporaryPrefixOf } from "./store.ts";
import { describeUsage, isExhausted, type RangeUsage, setUsage } from "./usage.ts";

export { hostLocalSchema } from "./schema.ts";
export type { RangeUsage } from "./usage.ts";

export const hostLocal: Ipam = { add, del, held, check, gc, status };

/** How full each range of the network is. */
export function usage(config: NetworkConfig): RangeUsage[] {
  const { directory, rangeSets } = parseConfig(config);
  const names = listNames(directory);
  return rangeSets.flatMap((set) => setUsage(set, names));
}

async function add(request: IpamRequest): Promise<IpamResult> {
  const config = parseConfig(request.config);
  const requests = requestedIps(request.config, request.args);
  const dns = config.resolvConf === "" ? {} : readResolvConf(config.resolvConf);
  return { ips: allocate(config, requests, request.environment), routes: config.routes, dns };
}

async function del(request: IpamRequest): Promise<void> {
  const directory = storeDirectory(request.config);
  const names = listNames(directory);
  const temporaries = names.filter((name) => name.startsWith(temporaryPrefixOf(request.environment)));
  const faults: CniError[] = [];
  for (const name of [...ownLeases(directory, names, request), ...temporaries]) {
    try {
      removeFile(path.join(directory, name));
    } catch (error) {
      faults.push(toCniError(error));
    }
  }
  const [first] = faults;
  if (first === undefined) return;
  const details = faults.map((fault) => fault.details).join("; ");
  throw new CniError(first.code, first.message, details, { cause: first });
}

async function held(request: IpamRequest): Promise<string[]> {
  const directory = storeDirectory(request.config);
  return ownLeases(directory, listNames(directory), request).flatMap((name) => {
    const ip = parseIp(name);
    return ip === undefined ? [] : formatIp(ip);
  });
}

/** Leases in the old format count only where there is none in the new one, as for the reference. */
function ownLeases(directory: string, names: readonly string[], { environment }: IpamRequest): string[] {
  const { exact, ofContainer } = findLeases(directory, names, environment);
  return exact.length > 0 ? exact : ofContainer;
}

/** All addresses of prevResult that are from our ranges must be reserved for the attachment. */
async function check(request: IpamRequest): Promise<void> {
  const { directory, rangeSets } = parseConfig(request.config);
  const { exact, ofContainer } = findLeases(directory, listNames(directory), request.environment);
  const held = [...exact, ...ofContainer].flatMap((name) => parseIp(name) ?? []);
  const wanted = addressesOf(request.config.prevResult).filter((ip) =>
    rangeSets.some((set) => rangeFor(set, ip)),
  );
  const missing = wanted.filter((ip) => !held.some((other) => sameIp(ip, other))).map(formatIp);
  if (held.length > 0 && missing.length === 0) return;
  const { containerID, ifname } = request.environment;
  throw new CniError(
    ErrorCode.checkFailed,
    "the attachment has no address reserved",
    `no lease of ${missing.join(", ") || "any address"} for container ${containerID}, interface ${ifname}, in ` +
      `${directory}; another pod may get its address. Recreate the pod`,
  );
}

/** What was checked by the schema of results before. */
function addressesOf(result: unknown): Ip[] {
  const { ips } = (result ?? {}) as { ips?: { address: string }[] };
  return (ips ?? []).flatMap(({ address }) => parsePrefix(address)?.ip ?? []);
}

async function gc(request: IpamRequest, valid: readonly AttachmentKey[], listed: number): Promise<void> {
  collect(storeDirectory(request.config), valid, listed);
}

async function status(request: IpamRequest): Promise<void> {
  const { directory, network, rangeSets } = parseConfig(request.config);
  try {
    probeWriting(directory);
  } catch (error) {
    throw unavailable(toCniError(error).details, error);
  }
  const names = listNames(directory);
  const exhausted = rangeSets.filter((set) => isExhausted(set, names));
  if (exhausted.length === 0) return;
  const full = exhausted.map((set) => describeUsage(set, names)).join("; ");
  throw unavailable(
    `network ${network}: ${full}. Remove pods, let the runtime call GC, or widen ipam.ranges`,
  );
}

function unavailable(details: string, cause?: unknown): CniError {
  return new CniError(ErrorCode.unavailable, "no addresses can be given out", details, { cause });
}
