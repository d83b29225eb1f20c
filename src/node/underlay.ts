// Which link leads to the other nodes, and by which address they know this node.
import { type Family, formatIp, type Ip, parseIp } from "../address/ip.ts";
import { defaultRouteLink, linkMtu } from "../attachment/host-facts.ts";
import type { CniError } from "../cni/error.ts";
import type { OverlayConfig } from "../config/overlay.ts";
import { ipAsk } from "../linux/ip.ts";
import type { Kernel } from "../linux/kernel.ts";
import type { ShownAddress } from "../linux/shown-address.ts";
import { badOverlay } from "../overlay/fault.ts";
import type { Underlay } from "../overlay/overlay.ts";
import { overlayDevices } from "../overlay/registry.ts";
import { reservedAs } from "../overlay/reserved.ts";
import { overlayUnusable } from "../plan/fault.ts";
import { ownLinks } from "../plan/own.ts";

export interface HostLink {
  readonly ifname: string;
  readonly mtu: number;
  readonly linkinfo?: { readonly info_kind?: string };
  readonly addr_info?: readonly ShownAddress[];
}

export async function hostLinks(kernel: Kernel): Promise<HostLink[]> {
  const [links] = await ipAsk("host", ["address show"], kernel);
  return (links ?? []) as unknown as HostLink[];
}

/** By which peers may know this node: all that are valid beyond a link, but for those of podwire's own devices. */
export function ownAddresses(links: readonly HostLink[]): Set<string> {
  const others = links.filter(({ ifname }) => !overlayDevices.includes(ifname));
  return new Set(others.flatMap((link) => globalAddresses(link).map(({ local }) => local)));
}

/** `known`: the address that this node has in the list of peers. `family`: of the peers' addresses, where there are peers. */
export function findUnderlay(
  { underlay }: OverlayConfig,
  links: readonly HostLink[],
  known: Ip | undefined,
  family: Family | undefined,
): Underlay {
  const given = underlay === undefined ? undefined : parseIp(underlay);
  const address = known ?? given;
  const holder = address && linkWith(formatIp(address), links);
  const name =
    underlay === undefined || given !== undefined ? (wayOut(holder) ?? defaultRouteLink()) : underlay;
  const givenTo = given && linkWith(formatIp(given), links);
  if (given !== undefined && givenTo === undefined) {
    throw badOverlay(`overlay.underlay = "${underlay}": no link of this node has this address`);
  }
  if (given !== undefined && givenTo?.ifname === "lo" && reservedAs(given) !== undefined) {
    throw leadsNowhere(underlay, "lo");
  }
  if (name === undefined) {
    const why =
      holder === undefined
        ? "is not given"
        : `is not given by a link, ${holder.ifname} leads to no other node`;
    throw overlayUnusable(
      `overlay.underlay ${why}, and the host has no default route whose link could be it`,
    );
  }
  const chosen = given === undefined ? name : (wayOut(givenTo) ?? name);
  if (chosen === "lo" || overlayDevices.includes(chosen)) throw leadsNowhere(underlay, chosen);
  if (chosen.startsWith(ownLinks)) {
    throw badOverlay(
      `the underlay ${chosen} has a name of podwire's own links, from which no tunnel packets are taken; expected one that does ` +
        `not begin with "${ownLinks}"`,
    );
  }
  const link = links.find(({ ifname }) => ifname === name);
  if (link === undefined) throw badOverlay(`overlay.underlay = "${name}": the host has no such link`);
  const families = family === undefined ? ([4, 6] as const) : [family];
  const local = address ?? families.map((one) => preferredAddress(link, one)).find((ip) => ip !== undefined);
  if (local === undefined) {
    const missing = families.map((one) => `IPv${one}`).join(" or ");
    throw overlayUnusable(
      `the underlay ${name} has no ${missing} address by which peers could know this node`,
    );
  }
  return { link: name, mtu: mtuOf(link, local), local };
}

/** An address of lo, or of a dummy, is the node's by whatever link (as with BGP on the host). */
function wayOut(holder: HostLink | undefined): string | undefined {
  const isInner = holder?.ifname === "lo" || holder?.linkinfo?.info_kind === "dummy";
  return isInner
    ? (defaultRouteLink() ?? (holder.ifname === "lo" ? undefined : holder.ifname))
    : holder?.ifname;
}

function leadsNowhere(underlay: string | undefined, link: string): CniError {
  return badOverlay(
    `overlay.underlay = "${underlay}" is ${link}, which leads to no other node; expected the link between nodes`,
  );
}

/** A router may advertise less for IPv6 (RFC 4861 section 4.6.4). */
function mtuOf({ ifname, mtu }: HostLink, local: Ip): number {
  return local.family === 6 ? Math.min(mtu, linkMtu(ifname) ?? mtu) : mtu;
}

function linkWith(address: string, links: readonly HostLink[]): HostLink | undefined {
  return links.find((link) => link.addr_info?.some(({ local }) => local === address));
}

function globalAddresses({ addr_info = [] }: HostLink): readonly ShownAddress[] {
  return addr_info.filter(({ scope, deprecated }) => scope === "0" && deprecated !== true);
}

export function preferredAddress(link: HostLink, family: Family): Ip | undefined {
  const lasting = globalAddresses(link).filter(({ temporary }) => temporary !== true);
  return lasting.flatMap(({ local }) => parseIp(local) ?? []).find((ip) => ip.family === family);
}
