// Who of the peers is on the underlay's link, and whom the host cannot reach at all.
import {
  addressBits,
  firstIp,
  formatIp,
  formatPrefix,
  type Ip,
  lastIp,
  type Prefix,
  parseIp,
  parsePrefix,
  prefixContains,
  withLength,
} from "../address/ip.ts";
import { ipAsk } from "../linux/ip.ts";
import type { Kernel } from "../linux/kernel.ts";
import { badPeers } from "../overlay/fault.ts";
import type { Peer, Underlay } from "../overlay/overlay.ts";
import type { UnplacedPeer } from "../overlay/peers.ts";
import { rememberedFor } from "../overlay/remembered.ts";
import { reservedAs } from "../overlay/reserved.ts";
import { peerRouteProtocol, routeProtocol } from "../plan/ip-lines.ts";
import type { ObservedRoute } from "../plan/observe.ts";
import { isMain } from "../plan/own.ts";
import { type HostLink, preferredAddress } from "./underlay.ts";

export interface Reach {
  readonly peers: readonly Peer[];
  /** Peers that the host has no route to at all. */
  readonly unreachable: readonly string[];
}

const placedPeer = rememberedFor<UnplacedPeer, Peer>();
const nearness = rememberedFor<Ip, boolean>();

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
  refuseSubnets(peers, subnets, underlay.link);
  const hasIpv6 = link !== undefined && preferredAddress(link, 6) !== undefined;
  const inner = await innerRoutes(subnets.filter(isShared), underlay.link, kernel, isKnown);
  const surroundings = JSON.stringify([subnets, inner].map((prefixes) => prefixes.map(formatPrefix)));
  const isNear = (ip: Ip) =>
    nearness(
      ip,
      surroundings,
      () =>
        subnets.some((subnet) => prefixContains(subnet, ip)) &&
        !inner.some((prefix) => prefixContains(prefix, ip)),
    );
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

/** What the kernel takes as no next hop: a subnet's first and last address, but for those of point to point (RFC 3021). */
function refuseSubnets(peers: readonly UnplacedPeer[], subnets: readonly Prefix[], link: string): void {
  const own = subnets.filter(({ ip, length }) => ip.family === 4 && length < 31);
  const ends = new Map(
    own.flatMap((subnet) =>
      [firstIp(subnet), lastIp(subnet)].map((ip) => [
        formatIp(ip),
        formatPrefix({ ...subnet, ip: firstIp(subnet) }),
      ]),
    ),
  );
  for (const { node, addressText } of peers) {
    const subnet = ends.get(addressText);
    if (subnet === undefined) continue;
    throw badPeers(
      `address ${addressText} of peer ${node} is the first or last of ${subnet}, the subnet of ${link}, which no node can ` +
        "have; expected the node's own address",
    );
  }
}

/** Each link has link-local ones. */
function isShared({ ip }: Prefix): boolean {
  return reservedAs(ip) === undefined;
}

interface InnerRoutes {
  readonly of: string;
  readonly prefixes: readonly Prefix[];
}

let lastInner: InnerRoutes | undefined;

/** Parts of the link's subnets that a longer prefix leads elsewhere. One listing, however many peers there are. */
async function innerRoutes(
  subnets: readonly Prefix[],
  link: string,
  kernel: Kernel,
  isKnown: boolean,
): Promise<readonly Prefix[]> {
  const parted = subnets.filter((subnet) => subnet.length < addressBits(subnet.ip.family));
  // Of one table iproute2 would list IPv4 alone.
  const questions = parted.map(
    (subnet) => `route show table all root ${formatPrefix({ ...subnet, ip: firstIp(subnet) })}`,
  );
  const of = [link, ...questions].join("\n");
  if (isKnown && lastInner?.of === of) return lastInner.prefixes;
  const answers = questions.length === 0 ? [] : await ipAsk("host", questions, kernel);
  const prefixes = answers.flatMap((routes = [], index) =>
    (routes as unknown as InnerRoute[])
      .filter((route) => isMain(route) && !podwires.includes(route.protocol ?? ""))
      .filter(({ gateway, via, dev }) => gateway !== undefined || via !== undefined || dev !== link)
      .flatMap(({ dst }) => parsePrefix(withLength(dst)) ?? [])
      // Another link of the same subnet is none, whichever the kernel prefers.
      .filter(({ length }) => length > (parted[index]?.length ?? 0)),
  );
  lastInner = { of, prefixes };
  return prefixes;
}

type InnerRoute = FoundRoute & ObservedRoute;

const podwires = [routeProtocol, peerRouteProtocol].map(String);

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
