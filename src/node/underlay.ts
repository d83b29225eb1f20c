// Which link leads to the other nodes, by which address they know this node, and who of them is on that link.
import { type Family, formatIp, type Ip, type Prefix, parseIp, prefixContains } from "../address/ip.ts";
import { defaultRouteLink } from "../attachment/host-facts.ts";
import { CniError, ErrorCode } from "../cni/error.ts";
import type { OverlayConfig } from "../config/overlay.ts";
import { ipAsk } from "../linux/ip.ts";
import type { Kernel } from "../linux/kernel.ts";
import { badOverlay } from "../overlay/fault.ts";
import type { Peer, Underlay } from "../overlay/overlay.ts";
import type { UnplacedPeer } from "../overlay/peers.ts";
import { overlayDevices } from "../overlay/registry.ts";
import { rememberedFor } from "../overlay/remembered.ts";

interface ShownAddress {
  readonly local: string;
  readonly prefixlen: number;
  readonly scope: string;
  readonly deprecated?: boolean;
  readonly temporary?: boolean;
  readonly secondary?: boolean;
}

export interface HostLink {
  readonly ifname: string;
  readonly mtu: number;
  readonly addr_info?: readonly ShownAddress[];
}

export async function hostLinks(kernel: Kernel): Promise<HostLink[]> {
  const [links] = await ipAsk("host", ["address show"], kernel);
  return (links ?? []) as unknown as HostLink[];
}

/** By which peers may know this node: all that are valid beyond a link, but for those of podwire's own devices. */
export function ownAddresses(links: readonly HostLink[]): Set<string> {
  const others = links.filter(({ ifname }) => !overlayDevices.includes(ifname) && ifname !== "lo");
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
    underlay === undefined || given !== undefined ? (holder?.ifname ?? defaultRouteLink()) : underlay;
  if (given !== undefined && linkWith(formatIp(given), links) === undefined) {
    throw badOverlay(`overlay.underlay = "${underlay}": no link of this node has this address`);
  }
  if (name === undefined) {
    throw notYet("overlay.underlay is not given, and the host has no default route whose link could be it");
  }
  const chosen = given === undefined ? name : linkWith(formatIp(given), links)?.ifname;
  if (chosen === "lo" || overlayDevices.includes(chosen ?? "")) {
    throw badOverlay(
      `overlay.underlay = "${underlay}" is ${chosen}, which leads to no other node; expected the link between nodes`,
    );
  }
  const link = links.find(({ ifname }) => ifname === name);
  if (link === undefined) throw badOverlay(`overlay.underlay = "${name}": the host has no such link`);
  const families = family === undefined ? ([4, 6] as const) : [family];
  const local = address ?? families.map((one) => preferredAddress(link, one)).find((ip) => ip !== undefined);
  if (local === undefined) {
    const missing = families.map((one) => `IPv${one}`).join(" or ");
    throw notYet(`the underlay ${name} has no ${missing} address by which peers could know this node`);
  }
  return { link: name, mtu: link.mtu, local };
}

function linkWith(address: string, links: readonly HostLink[]): HostLink | undefined {
  return links.find((link) => link.addr_info?.some(({ local }) => local === address));
}

function globalAddresses({ addr_info = [] }: HostLink): readonly ShownAddress[] {
  return addr_info.filter(({ scope, deprecated }) => scope === "0" && deprecated !== true);
}

function preferredAddress(link: HostLink, family: Family): Ip | undefined {
  const lasting = globalAddresses(link).filter(({ temporary }) => temporary !== true);
  return lasting.flatMap(({ local }) => parseIp(local) ?? []).find((ip) => ip.family === family);
}

export interface Reach {
  readonly peers: readonly Peer[];
  /** Peers that the host has no route to at all. */
  readonly unreachable: readonly string[];
}

const placedPeer = rememberedFor<UnplacedPeer, Peer>();

/**
 * Most are in the subnet of one of the link's addresses; the kernel is asked about the others. `isKnown`: nothing was said of the
 * link's routes and addresses since it was asked last, so that it is asked about new peers alone.
 */
export async function placePeers(
  peers: readonly UnplacedPeer[],
  underlay: Underlay,
  links: readonly HostLink[],
  kernel: Kernel,
  isKnown = false,
): Promise<Reach> {
  const link = links.find(({ ifname }) => ifname === underlay.link);
  const subnets = (link?.addr_info ?? []).flatMap(({ local, prefixlen }): Prefix[] => {
    const ip = parseIp(local);
    return ip === undefined ? [] : [{ ip, length: prefixlen }];
  });
  const hasIpv6 = link !== undefined && preferredAddress(link, 6) !== undefined;
  const isNear = (ip: Ip) => subnets.some((subnet) => prefixContains(subnet, ip));
  const far = peers.flatMap(({ address, address6 }) =>
    [address, ...(address6 === undefined ? [] : [address6])].filter((ip) => !isNear(ip)),
  );
  await askWays(isKnown ? far.filter((ip) => !ways.has(ip)) : far, kernel);
  const farAway = new Set(far);
  const isOnLink = (ip: Ip) => !farAway.has(ip) || ways.get(ip)?.directLink === underlay.link;
  const unreachable = peers.filter(
    ({ address }) => farAway.has(address) && ways.get(address)?.hasRoute === false,
  );
  return {
    peers: peers.map((peer) => placed(peer, isOnLink, hasIpv6)),
    unreachable: unreachable.map(({ node, addressText }) => `${node} (${addressText})`),
  };
}

function placed(peer: UnplacedPeer, isOnLink: (ip: Ip) => boolean, hasIpv6: boolean): Peer {
  const onLink = isOnLink(peer.address);
  const onLink6 = hasIpv6 && peer.address6 ? isOnLink(peer.address6) : undefined;
  return placedPeer(peer, `${onLink} ${onLink6}`, () => ({
    ...peer,
    onLink,
    ...(onLink6 === undefined ? {} : { onLink6 }),
  }));
}

/** How an address is reached. */
interface Way {
  readonly hasRoute: boolean;
  /** The link that leads to it without a router. */
  readonly directLink?: string | undefined;
}

/** By peers' addresses, which stay the same objects as long as the peer does not change. */
const ways = new WeakMap<Ip, Way>();

interface FoundRoute {
  readonly dev?: string;
  readonly gateway?: string;
  readonly via?: unknown;
}

/** Answers to all of many peers at once would be most of the memory that podwire takes. */
const askedAtOnce = 1000;

async function askWays(addresses: readonly Ip[], kernel: Kernel): Promise<void> {
  for (let first = 0; first < addresses.length; first += askedAtOnce) {
    const asked = addresses.slice(first, first + askedAtOnce);
    const questions = asked.map((ip) => `route get ${formatIp(ip)}`);
    const answers = await ipAsk("host", questions, kernel);
    for (const [index, ip] of asked.entries()) {
      const route = answers[index]?.[0] as FoundRoute | undefined;
      const isDirect = route?.gateway === undefined && route?.via === undefined;
      ways.set(ip, { hasRoute: route !== undefined, directLink: isDirect ? route?.dev : undefined });
    }
  }
}

function notYet(details: string): CniError {
  return new CniError(ErrorCode.overlayUnusable, "the overlay cannot be applied", details);
}
