// Reads from procfs what plans need to know of the host. No program is started, and unlike sysfs,
// procfs always shows the caller's own netns.
import fs from "node:fs";
import { parseIp } from "../address/ip.ts";
import { maxMtu, type NetworkConfig } from "../config/network.ts";
import type { HostFacts } from "../datapath/datapath.ts";
import { hostHasIpv6 } from "../linux/links.ts";
import { readHostSysctl } from "../linux/sysctl.ts";
import { overlayMaster } from "../overlay/fit.ts";

const fallbackMtu = 1500;

/** `wantsIpv6`: whether IPv6 forwarding will be needed; finding out what that breaks costs a few reads. */
export function hostFacts(wantsIpv6: boolean): HostFacts {
  return {
    ipv6: hostHasIpv6(),
    ipv6OffByDefault: readHostSysctl("net/ipv6/conf/default/disable_ipv6") !== "0",
    advertisedLinks: wantsIpv6 ? advertisedLinks() : [],
  };
}

/** The configured MTU, else the overlay's, else the underlay's, else Ethernet's. */
export function podMtu(config: NetworkConfig, overlayMtu?: number): number {
  if (config.mtu !== undefined && config.mtu !== 0) return config.mtu;
  if (overlayMtu === undefined) return Math.min(underlayMtu(config) ?? fallbackMtu, maxMtu);
  // What pods send leaves by ipvlan's master as it is, also what the host sends on by an underlay of its own.
  const most = config.datapath === "ipvlan" ? underlayMtu(config) : undefined;
  return Math.min(overlayMtu, most ?? maxMtu);
}

function underlayMtu(config: NetworkConfig): number | undefined {
  const link = podUnderlay(config);
  return link === undefined ? undefined : linkMtu(link);
}

/** The link by which pods' packets leave the node. `found`: the overlay's, where it is known. */
export function podUnderlay(config: NetworkConfig, found?: string): string | undefined {
  const master = config.datapath === "ipvlan" ? (config.ipvlan?.master ?? overlayMaster(config)) : undefined;
  const { underlay } = config.overlay ?? {};
  // Given by an address, it is the overlay's to find.
  const link = underlay !== undefined && parseIp(underlay) === undefined ? underlay : undefined;
  return master ?? link ?? found ?? defaultRouteLink();
}

/** The link of the default route with the best metric, IPv4 first. */
export function defaultRouteLink(): string | undefined {
  return defaultRoutesIpv4()[0]?.[0] ?? defaultRoutesIpv6()[0]?.link;
}

/** Next hops of default routes that have one. */
export function defaultGateways(): string[] {
  const ipv4 = defaultRoutesIpv4().map(([, , gateway = ""]) =>
    (gateway.match(/../g) ?? [])
      .reverse()
      .map((octet) => Number.parseInt(octet, 16))
      .join("."),
  );
  const ipv6 = defaultRoutesIpv6().map(({ gateway }) => (gateway.match(/.{4}/g) ?? []).join(":"));
  return [...ipv4, ...ipv6].filter((text) => !/^[0:.]*$/.test(text));
}

function defaultRoutesIpv4(): string[][] {
  return readLines("/proc/net/route")
    .slice(1)
    .map((line) => line.split("\t"))
    .filter(([, destination, , , , , , mask]) => destination === "00000000" && mask === "00000000")
    .sort((a, b) => Number(a[6]) - Number(b[6]));
}

/**
 * As IPv6 sees it, which is the link's MTU unless a router advertised a smaller one. Without IPv6 in the kernel
 * sysfs has to do, although it may show another netns.
 */
export function linkMtu(link: string): number | undefined {
  const text = readHostSysctl(`net/ipv6/conf/${link}/mtu`) ?? readLines(`/sys/class/net/${link}/mtu`)[0];
  return text === undefined ? undefined : Number(text);
}

/** RTF_ADDRCONF, include/uapi/linux/ipv6_route.h: learnt from a router advertisement. */
const learntFromAdvertisement = 0x00040000;

/**
 * Links that would not hear routers any more once the host forwards: those by which it heard one, and those by which it
 * leaves, whose router may be heard later. A host that forwards already is as somebody else wants it.
 */
export function advertisedLinks(underlay = defaultRouteLink()): string[] {
  if (readHostSysctl("net/ipv6/conf/all/forwarding") !== "0") return [];
  const heard = defaultRoutesIpv6()
    .filter((route) => (route.flags & learntFromAdvertisement) !== 0)
    .map((route) => route.link);
  const links = new Set(underlay === undefined ? heard : [...heard, underlay]);
  return [...links].filter((link) => readHostSysctl(`net/ipv6/conf/${link}/accept_ra`) === "1");
}

function defaultRoutesIpv6(): { link: string; gateway: string; flags: number }[] {
  return readLines("/proc/net/ipv6_route")
    .map((line) => line.trim().split(/\s+/))
    .filter(([destination, length]) => length === "00" && destination === "0".repeat(32))
    .map((fields) => ({
      link: fields[9] ?? "",
      gateway: fields[4] ?? "",
      metric: Number.parseInt(fields[5] ?? "", 16),
      flags: Number.parseInt(fields[8] ?? "", 16),
    }))
    .filter(({ link }) => link !== "lo")
    .sort((a, b) => a.metric - b.metric);
}

function readLines(file: string): string[] {
  try {
    return fs
      .readFileSync(file, "utf8")
      .split("\n")
      .filter((line) => line !== "");
  } catch {
    return [];
  }
}
