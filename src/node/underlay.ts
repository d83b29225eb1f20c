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

/** Most are in the subnet of one of the link's addresses; the kernel is asked about the others. */
export async function placePeers(
  peers: readonly UnplacedPeer[],
  underlay: Underlay,
  links: readonly HostLink[],
  kernel: Kernel,
): Promise<Reach> {
  const link = links.find(({ ifname }) => ifname === underlay.link);
  const subnets = (link?.addr_info ?? []).flatMap(({ local, prefixlen }): Prefix[] => {
    const ip = parseIp(local);
    return ip === undefined ? [] : [{ ip, length: prefixlen }];
  });
  const isNear = new Set(
    peers.filter(({ address }) => subnets.some((subnet) => prefixContains(subnet, address))),
  );
  const far = peers.filter((peer) => !isNear.has(peer));
  const routes = await routesTo(far, kernel);
  const unreachable: string[] = [];
  const place = (peer: UnplacedPeer, onLink: boolean) =>
    placedPeer(peer, String(onLink), () => ({ ...peer, onLink }));
  const placed = peers.map((peer) => {
    if (isNear.has(peer)) return place(peer, true);
    const route = routes.get(peer);
    if (route === undefined) unreachable.push(`${peer.node} (${peer.addressText})`);
    const isDirect = route !== undefined && route.gateway === undefined && route.via === undefined;
    return place(peer, isDirect && route.dev === underlay.link);
  });
  return { peers: placed, unreachable };
}

interface FoundRoute {
  readonly dev?: string;
  readonly gateway?: string;
  readonly via?: unknown;
}

async function routesTo(
  peers: readonly UnplacedPeer[],
  kernel: Kernel,
): Promise<Map<UnplacedPeer, FoundRoute | undefined>> {
  if (peers.length === 0) return new Map();
  const questions = peers.map(({ addressText }) => `route get ${addressText}`);
  const answers = await ipAsk("host", questions, kernel);
  return new Map(peers.map((peer, index) => [peer, answers[index]?.[0] as FoundRoute | undefined]));
}

function notYet(details: string): CniError {
  return new CniError(ErrorCode.overlayUnusable, "the overlay cannot be applied", details);
}
