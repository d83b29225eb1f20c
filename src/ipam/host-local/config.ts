// What a call asks of host-local, gathered from all the places the reference plugin looks at: the `ipam`
// section, runtimeConfig, args and CNI_ARGS. DEL and GC need only the store's directory, so that a mistake
// made in the ranges later on does not keep pods from being removed.
import path from "node:path";
import { type Ip, parseIp, parsePrefix } from "../../address/ip.ts";
import type { CniArgs } from "../../cni/args.ts";
import type { Route } from "../../cni/result.ts";
import type { NetworkConfig } from "../../config/network.ts";
import { checkRangeSet, formatRange, overlap, type RangeSet, sameIp, toRange } from "./range.ts";
import {
  configFault,
  type HostLocalSection,
  networkPartsSchema,
  parseParts,
  type RangeConfig,
  storePartsSchema,
} from "./schema.ts";

const defaultDataDir = "/var/lib/cni/networks";

/** `source` names where in the call the address was asked for. */
export interface RequestedIp {
  readonly ip: Ip;
  readonly source: string;
}

export interface HostLocalConfig {
  readonly network: string;
  /** The store: `<dataDir>/<network>`. */
  readonly directory: string;
  readonly rangeSets: readonly RangeSet[];
  readonly routes: Route[];
  readonly resolvConf: string;
}

type RouteConfig = NonNullable<HostLocalSection["routes"]>[number];

/** A set of ranges and where it stands in the configuration. */
interface PlacedSet {
  readonly set: RangeSet;
  readonly place: string;
}

export function parseConfig(config: NetworkConfig): HostLocalConfig {
  const { ipam: section, runtimeConfig } = parseParts(networkPartsSchema, config);
  return {
    network: config.name,
    directory: directoryOf(config.name, section.dataDir),
    rangeSets: rangeSets(section, runtimeConfig?.ipRanges ?? [], config.cniVersion),
    routes: (section.routes ?? []).map(toRoute),
    resolvConf: section.resolvConf ?? "",
  };
}

export function storeDirectory(config: NetworkConfig): string {
  return directoryOf(config.name, parseParts(storePartsSchema, config).ipam.dataDir);
}

function directoryOf(network: string, dataDir = ""): string {
  return path.join(dataDir === "" ? defaultDataDir : dataDir, network);
}

function rangeSets(
  section: HostLocalSection,
  ipRanges: readonly RangeConfig[][],
  version: string | undefined,
): RangeSet[] {
  const placed = [
    ...placeSets(ipRanges, "runtimeConfig.ipRanges"),
    ...singleRange(section),
    ...placeSets(section.ranges ?? [], "ipam.ranges"),
  ];
  if (placed.length === 0) throw configFault("ipam.ranges", section.ranges, "expected a range set");
  const sets = placed.map(({ set }) => set);
  checkOverlap(placed);
  checkVersion(sets, version);
  return sets;
}

function placeSets(sets: readonly (readonly RangeConfig[])[], list: string): PlacedSet[] {
  return sets.map((ranges, i) => {
    const place = `${list}.${i}`;
    const set = ranges.map((range, j) => toRange(range, `${place}.${j}`));
    return { set: checkRangeSet(set, place), place };
  });
}

function singleRange(section: HostLocalSection): PlacedSet[] {
  const { subnet, rangeStart, rangeEnd, gateway } = section;
  if (subnet !== undefined) {
    return [{ set: [toRange({ subnet, rangeStart, rangeEnd, gateway }, "ipam")], place: "ipam" }];
  }
  const stray = (["rangeStart", "rangeEnd", "gateway"] as const).find((key) => (section[key] ?? "") !== "");
  if (stray === undefined) return [];
  throw configFault(`ipam.${stray}`, section[stray], "has no effect without ipam.subnet, expected both");
}

function checkOverlap(placed: readonly PlacedSet[]): void {
  const pair = overlap(placed.flatMap(({ set }) => set));
  if (pair === undefined) return;
  const [a, b] = pair.map((range) => placed.find(({ set }) => set.includes(range)));
  throw configFault(
    a?.place ?? "ipam",
    a?.set.map(formatRange),
    `overlaps with ${b?.place}, ${b?.set.map(formatRange)}`,
  );
}

/** Results before version 0.3.0 have room for one address of each family. */
function checkVersion(sets: readonly RangeSet[], version = "0.1.0"): void {
  const ipv4Sets = sets.filter((set) => set[0]?.start.family === 4).length;
  if (ipv4Sets <= 1 && sets.length - ipv4Sets <= 1) return;
  if (version !== "" && !/^0\.[12]\./.test(version)) return;
  const found = `${ipv4Sets} IPv4 and ${sets.length - ipv4Sets} IPv6 range sets`;
  throw configFault("cniVersion", version, `with ${found} expected 0.3.0 or later`);
}

function toRoute(route: RouteConfig): Route {
  const entries = Object.entries(route).filter(([, value]) => value !== undefined && value !== "");
  return { ...Object.fromEntries(entries), dst: route.dst };
}

/** In the order the reference looks for them, without repetitions; "10.1.2.3/24" asks for 10.1.2.3. */
export function requestedIps(config: NetworkConfig, args: CniArgs): RequestedIp[] {
  const requests = [
    ...args.ips.map((text) => toRequest(text, "CNI_ARGS IP")),
    ...(config.args?.cni?.ips ?? []).map((text, i) => toRequest(text, `args.cni.ips.${i}`)),
    ...(config.runtimeConfig?.ips ?? []).map((text, i) => toRequest(text, `runtimeConfig.ips.${i}`)),
  ];
  return requests.filter((request, i) => requests.findIndex(({ ip }) => sameIp(ip, request.ip)) === i);
}

function toRequest(text: string, source: string): RequestedIp {
  const ip = parseIp(text) ?? parsePrefix(text)?.ip;
  if (ip === undefined)
    throw configFault(source, text, "expected an IP address, with or without prefix length");
  return { ip, source };
}
