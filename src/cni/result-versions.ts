// Results in the shapes of all versions of the specification, to and from the one of 1.1.0.
// 0.1.0 and 0.2.0 know one address per family (ip4, ip6) and no interfaces; 0.3.x and 0.4.0 name each
// address's family; 1.1.0 adds mtu, socketPath and pciID, and five fields of routes.
import { CniError, ErrorCode } from "./error.ts";
import type { Interface, IpConfig, Result, Route } from "./result.ts";
import { type LegacyResult, legacySchema, type ModernResult, modernSchema } from "./result-schemas.ts";
import { type CniVersion, isAtLeast } from "./versions.ts";

/** The result as JSON of `version`. Throws code 1 if it cannot be said in that version. */
export function encodeResult(result: Result, version: CniVersion): object {
  const dns = result.dns;
  if (!isAtLeast(version, "0.3.0")) return encodeLegacy(result, version);
  const newest = isAtLeast(version, "1.1.0");
  return {
    cniVersion: version,
    interfaces: result.interfaces.map((link) => (newest ? link : withoutNewFields(link))),
    ips: result.ips.map((ip) =>
      isAtLeast(version, "1.0.0") ? ip : { version: familyOf(ip.address), ...ip },
    ),
    routes: result.routes.map((route) => (newest ? route : { dst: route.dst, ...gatewayOf(route.gw) })),
    dns,
  };
}

/** Reads a result of `version`; code 6 if it is none. */
export function decodeResult(input: unknown, version: CniVersion, source: string): Result {
  const isModern = isAtLeast(version, "0.3.0");
  const parsed = (isModern ? modernSchema() : legacySchema()).safeParse(input);
  if (parsed.success) {
    return isModern ? fromModern(parsed.data as ModernResult) : fromLegacy(parsed.data as LegacyResult);
  }
  const issue = parsed.error.issues[0];
  throw new CniError(
    ErrorCode.decode,
    "a result cannot be understood",
    `${source}: ${issue?.path.join(".") || "the whole"}: ${issue?.message}; expected a result of version ${version}`,
  );
}

function fromLegacy({ ip4, ip6, dns }: LegacyResult): Result {
  const present = [ip4, ip6].filter((ip) => ip !== undefined && ip !== null);
  return {
    interfaces: [],
    ips: present.map(({ ip, gateway }): IpConfig => compact({ address: ip, gateway })),
    routes: present.flatMap(({ routes }) => (routes ?? []).map((route): Route => compact(route))),
    dns: compact(dns ?? {}),
  };
}

function fromModern({ interfaces, ips, routes, dns }: ModernResult): Result {
  return {
    interfaces: (interfaces ?? []).map((link): Interface => compact(link)),
    ips: (ips ?? []).map((ip): IpConfig => compact(ip)),
    // The reference plugins write 0 for a metric that is not set.
    routes: (routes ?? []).map(
      ({ mtu, advmss, priority, ...route }): Route =>
        compact({ ...route, mtu: mtu || null, advmss: advmss || null, priority: priority || null }),
    ),
    dns: compact(dns ?? {}),
  };
}

function encodeLegacy(result: Result, version: CniVersion): object {
  const family = (number: 4 | 6) => {
    const ip = result.ips.find(({ address }) => familyOf(address) === String(number));
    if (ip === undefined) return {};
    const routes = result.routes
      .filter(({ dst }) => familyOf(dst) === String(number))
      .map(({ dst, gw }) => ({ dst, ...gatewayOf(gw) }));
    return { [`ip${number}`]: { ip: ip.address, ...compact({ gateway: ip.gateway }), routes } };
  };
  if (result.ips.length === 0) {
    throw new CniError(
      ErrorCode.incompatibleVersion,
      "the result cannot be said in this CNI version",
      `cniVersion ${version} has no result without an address; use 0.3.0 or newer`,
    );
  }
  return { cniVersion: version, ...family(4), ...family(6), dns: result.dns };
}

function withoutNewFields({
  mtu: _mtu,
  socketPath: _socketPath,
  pciID: _pciID,
  ...rest
}: Interface): Interface {
  return rest;
}

function gatewayOf(gw: string | undefined): { gw?: string } {
  return gw === undefined ? {} : { gw };
}

function familyOf(address: string): "4" | "6" {
  return address.includes(":") ? "6" : "4";
}

type Compacted<T> = { [K in keyof T]: Exclude<T[K], undefined | null> };

/** Without what is undefined, null, empty text or an empty list: as absent as the reference library takes it. */
function compact<T extends object>(value: T): Compacted<T> {
  const isAbsent = (field: unknown) =>
    field === undefined || field === null || field === "" || (Array.isArray(field) && field.length === 0);
  return Object.fromEntries(Object.entries(value).filter(([, field]) => !isAbsent(field))) as Compacted<T>;
}
