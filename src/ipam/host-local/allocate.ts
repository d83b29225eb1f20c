// ADD's part: one address of each range set, the requested one or the next free one. Leases that the same
// attachment already holds are what a crashed ADD left (the caller made sure that none is live): they are
// used again where they suit and released where not.
import path from "node:path";
import { formatIp, type Ip, parseIp } from "../../address/ip.ts";
import { CniError, ErrorCode } from "../../cni/error.ts";
import type { IpConfig } from "../../cni/result.ts";
import type { AttachmentKey } from "../ipam.ts";
import type { HostLocalConfig, RequestedIp } from "./config.ts";
import { describeHolder, findLeases, leaseContent, reservedIp } from "./lease.ts";
import { candidates, formatRange, type RangeSet, rangeFor, sameIp } from "./range.ts";
import {
  createFirst,
  listNames,
  readSmallFile,
  removeFile,
  removeQuietly,
  replaceFile,
  temporaryPrefixOf,
} from "./store.ts";
import { describeUsage } from "./usage.ts";

/** What one range set is to give. */
interface Wish {
  readonly set: RangeSet;
  readonly index: number;
  readonly request: RequestedIp | undefined;
  /** Name of our own lease that suits. */
  readonly held: string | undefined;
}

export function allocate(
  config: HostLocalConfig,
  requests: readonly RequestedIp[],
  key: AttachmentKey,
): IpConfig[] {
  const { directory } = config;
  const assigned = assignRequests(config.rangeSets, requests);
  const names = listNames(directory);
  const owned = findLeases(directory, names, key).exact;
  const wishes = config.rangeSets.map((set, index): Wish => {
    const request = assigned[index];
    return { set, index, request, held: owned.find((name) => suits(set, name, request)) };
  });

  const kept = new Set(wishes.map((wish) => wish.held));
  const dropped = new Set(owned.filter((name) => !kept.has(name)));
  for (const name of dropped) removeFile(path.join(directory, name));
  const taken = new Set(names.filter((name) => !dropped.has(name)));
  return reserveAll(config, wishes, taken, key);
}

/** All or nothing: a failure releases what this call has reserved, and no more. */
function reserveAll(
  config: HostLocalConfig,
  wishes: readonly Wish[],
  taken: ReadonlySet<string>,
  key: AttachmentKey,
): IpConfig[] {
  const { directory } = config;
  const temporaryStart = temporaryPrefixOf(key);
  const reserved: string[] = [];
  try {
    return wishes.map((wish) => {
      if (wish.held !== undefined) return toIpConfig(wish.set, wish.held);
      const name = createFirst(
        directory,
        wishedNames(directory, wish, taken),
        leaseContent(key),
        temporaryStart,
      );
      if (name === undefined) throw unavailable(config, wish);
      reserved.push(name);
      replaceFile(directory, lastReservedName(wish.index), name, temporaryStart);
      return toIpConfig(wish.set, name);
    });
  } catch (error) {
    for (const name of reserved) removeQuietly(path.join(directory, name));
    throw error;
  }
}

/** Lazy, in the order in which they are to be tried. */
function* wishedNames(directory: string, wish: Wish, taken: ReadonlySet<string>): Generator<string> {
  if (wish.request !== undefined) {
    yield formatIp(wish.request.ip);
    return;
  }
  const last = readSmallFile(path.join(directory, lastReservedName(wish.index)));
  for (const ip of candidates(wish.set, last === undefined ? undefined : parseIp(last))) {
    const name = formatIp(ip);
    if (!taken.has(name)) yield name;
  }
}

/** Round robin goes on behind this file's address; the reference keeps it for each range set by number. */
function lastReservedName(index: number): string {
  return `last_reserved_ip.${index}`;
}

function suits(set: RangeSet, name: string, request: RequestedIp | undefined): boolean {
  const ip = reservedIp(name);
  const range = ip === undefined ? undefined : rangeFor(set, ip);
  if (ip === undefined || range === undefined || sameIp(ip, range.gateway)) return false;
  return request === undefined || sameIp(ip, request.ip);
}

function toIpConfig(set: RangeSet, name: string): IpConfig {
  const ip = parseIp(name) as Ip;
  const range = rangeFor(set, ip);
  if (range === undefined) throw new Error(`${name} is in no range of its set`);
  return { address: `${name}/${range.subnet.length}`, gateway: formatIp(range.gateway) };
}

/** The request each set is to serve, by index: the first that lies in it. None may be left over. */
function assignRequests(
  sets: readonly RangeSet[],
  requests: readonly RequestedIp[],
): (RequestedIp | undefined)[] {
  const assigned = sets.map((set) => requests.find(({ ip }) => rangeFor(set, ip) !== undefined));
  for (const request of requests) checkRequest(sets, assigned, request);
  return assigned;
}

function checkRequest(
  sets: readonly RangeSet[],
  assigned: readonly (RequestedIp | undefined)[],
  request: RequestedIp,
): void {
  const index = sets.findIndex((set) => rangeFor(set, request.ip) !== undefined);
  const range = sets[index] && rangeFor(sets[index], request.ip);
  if (range === undefined) {
    const all = sets.flat().map(formatRange).join(", ");
    throw refused(request, `is in no range of the network (${all}). Ask for one that is, or add a range`);
  }
  if (sameIp(request.ip, range.gateway)) {
    throw refused(request, `is the gateway of ${formatRange(range)}. Ask for another address`);
  }
  const served = assigned[index];
  if (served !== undefined && served !== request) {
    const other = `${formatIp(served.ip)} (${served.source})`;
    throw refused(request, `is in range set ${index}, which gives ${other} already. Ask for one of them`);
  }
}

function unavailable(config: HostLocalConfig, wish: Wish): CniError {
  const { directory, network } = config;
  if (wish.request !== undefined) {
    const holder = describeHolder(directory, formatIp(wish.request.ip));
    return refused(wish.request, `is held by ${holder}. Ask for another address or remove that pod`);
  }
  const usage = describeUsage(wish.set, listNames(directory));
  return new CniError(
    ErrorCode.addressUnavailable,
    "no address is free",
    `network ${network}, range set ${wish.index}: ${usage}. Remove pods, let the runtime call GC to release ` +
      `leases of pods that are gone (files in ${directory}), or widen ipam.ranges`,
  );
}

function refused(request: RequestedIp, why: string): CniError {
  const details = `${formatIp(request.ip)}, requested by ${request.source}, ${why}`;
  return new CniError(ErrorCode.addressUnavailable, "the requested address is not available", details);
}
