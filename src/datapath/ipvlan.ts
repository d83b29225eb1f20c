// ipvlan: the pod's interface is a slave of the node's own, so that packets to other nodes pass neither a veth
// pair nor the host's forwarding. A master does not talk to its slaves; therefore the host has one slave of its
// own per master, with a route to each pod, which all attachments share.
//
// l3, l3s: no ARP, device routes; what pods send is routed by the host's table (l3s: also what they receive passes
// its netfilter). l2: neighbours are on the pod's segment, and all else goes to the host: a frame that a slave
// sends to the master's own MAC is the host's (ipvlan_xmit_mode_l2 in drivers/net/ipvlan/ipvlan_core.c).
import {
  type Family,
  formatIp,
  hostPrefix,
  type Ip,
  type Prefix,
  parseIp,
  prefixContains,
} from "../address/ip.ts";
import { CniError, ErrorCode } from "../cni/error.ts";
import type { Route as ResultRoute } from "../cni/result.ts";
import { hostSysctl } from "../plan/forwarding.ts";
import type { Address, Ipvlan, IpvlanMode, Link, PodObject, PodPlan, Route } from "../plan/plan.ts";
import type { AttachmentName, Datapath, IpvlanSettings, Master, Wired, Wiring } from "./datapath.ts";
import { checkMtu, forwarding, hasIpv6Settings, masquerade } from "./host-side.ts";
import { hostLinkName, hostSlaveName, linkAlias } from "./names.ts";
import { podIpv6Settings, podRoute, podSysctl } from "./pod-side.ts";
import {
  cannotWire,
  checkedRoute,
  firstOfEach,
  gateways,
  has,
  isOnLink,
  routesThrough,
  scopeLink,
  subnetOf,
} from "./routing.ts";

export const ipvlan: Datapath = { wire, traces };

function wire(wiring: Wiring): Wired {
  const settings = settingsOf(wiring);
  const { master, mode, flag } = settings;
  const addresses = wiring.ips.map(subnetOf);
  checkMtu(wiring, addresses);
  const type: Ipvlan = { kind: "ipvlan", master: master.name, mode, flag };
  const hostLink = hostSlaveName(master.name, mode, flag);
  // The host's slave is one among others, and the other flags keep them apart; in l3 its routes would be a loop.
  const reachesHost = flag === "bridge";
  const routes =
    mode === "l2" ? segmentRoutes(wiring, settings, addresses) : routesThrough(undefined, wiring);
  return {
    plan: [
      ...(reachesHost ? hostObjects(wiring, master, type, hostLink, addresses) : [slaveOnHost(wiring, type)]),
      ...podObjects(wiring, master, type, addresses, routes),
      ...(wiring.ipMasq ? [masquerading(wiring, master, hostLink, addresses)] : []),
      ...forwarding(wiring, addresses, reachesHost ? hostLink : undefined),
    ],
    interfaces: [{ name: wiring.ifname, mac: master.mac, mtu: wiring.mtu, sandbox: wiring.sandbox }],
    ips: addresses.map((address) => ({
      address: podAddress(address, mode),
      ...(mode === "l2" ? { gateway: gateways[address.ip.family] } : {}),
      interface: 0,
    })),
    routes,
  };
}

/** Pods of l3 and l3s reach no addresses of the host's but their master's, and the kernel would take any. */
function masquerading(wiring: Wiring, master: Master, link: string, addresses: readonly Prefix[]): PodObject {
  const sources = addresses.flatMap(({ ip }) => addressOf(master, ip.family) ?? []);
  return masquerade(wiring, addresses, [link], { link, sources: [...new Set(sources)] });
}

/** The one by which host and pods know each other; undefined if the master has none of the family. */
export function addressOf({ addresses }: Master, family: Family): string | undefined {
  return addresses.find((address) => parseIp(address)?.family === family);
}

/** What no rule of the host sees in this mode, in words; undefined in l3s, where the host routes both ways. */
export function unfiltered(mode: IpvlanMode): string | undefined {
  const sent = { l2: ", nor what they send within their subnet", l3: "", l3s: undefined }[mode];
  return sent === undefined ? undefined : `what pods receive passes no netfilter of this node${sent}`;
}

function traces(name: AttachmentName): PodPlan {
  // Found by their alias, whatever their master was.
  return [slaveOnHost(name, { kind: "ipvlan", master: "", mode: "l3s", flag: "bridge" })];
}

function settingsOf({ ipvlan: settings, mac, mtu }: Wiring): IpvlanSettings {
  if (settings === undefined) throw new Error("the ipvlan datapath was called without its settings");
  const { master } = settings;
  if (mac !== undefined && mac.toLowerCase() !== master.mac) {
    throw new CniError(
      ErrorCode.unsupportedField,
      "unsupported field",
      `MAC ${mac} is asked for, but interfaces of ipvlan have the MAC of their master ${master.name} ` +
        `(${master.mac}); remove the mac capability or MAC from CNI_ARGS, or use datapath veth`,
    );
  }
  requireMtu(mtu, master);
  return settings;
}

/** What a pod sends leaves by the master as it is. */
export function requireMtu(mtu: number, master: Master): void {
  if (mtu <= master.mtu) return;
  throw cannotWire(`mtu ${mtu} is more than the ${master.mtu} of ipvlan's master ${master.name}`);
}

function hostObjects(
  wiring: Wiring,
  master: Master,
  type: Ipvlan,
  link: string,
  addresses: readonly Prefix[],
): PodObject[] {
  const isSegment = type.mode === "l2";
  const hasIpv6 = hasIpv6Settings(wiring, master.mtu);
  return [
    // First, so that nothing was made before it if another pod's ADD makes it in the same moment.
    { kind: "link", where: "host", name: link, shared: true, noAutomaticAddress: hasIpv6, type },
    ...(has(addresses, 6) && wiring.host.ipv6OffByDefault
      ? [hostSysctl(`net/ipv6/conf/${link}/disable_ipv6`, "0")]
      : []),
    ...addresses.flatMap(({ ip }) => hostRoutes(link, ip, master, wiring.mtu)),
    ...(isSegment
      ? addresses.map(
          ({ ip }) =>
            ({ kind: "neighbour", where: "host", link, address: formatIp(ip), mac: master.mac }) as const,
        )
      : []),
    slaveOnHost(wiring, type),
    ...(has(addresses, 4) ? [hostSysctl(`net/ipv4/conf/${link}/forwarding`, "1")] : []),
    // In l2 it hears the segment's routers, and pods that say that they are some.
    ...(hasIpv6 ? [hostSysctl(`net/ipv6/conf/${link}/accept_ra`, "0")] : []),
  ];
}

/** The pod's, as it is made. */
function slaveOnHost(name: AttachmentName, type: Ipvlan): Link {
  return {
    kind: "link",
    where: "host",
    name: hostLinkName(name),
    alias: linkAlias(name),
    type: { ...type, movesToPodAs: name.ifname },
  };
}

/** The same once it has moved. */
function slaveInPod(name: AttachmentName, type: Ipvlan, mtu: number | undefined): Link {
  return {
    kind: "link",
    where: "pod",
    name: name.ifname,
    alias: linkAlias(name),
    ...(mtu === undefined ? {} : { mtu }),
    type,
  };
}

/**
 * The slave has no address, not even the gateway's: it is on the master's wire, where it would answer for it, and fe80::1 is
 * often the router there. Pods answer only to the master's. With an address that goes (a lease that is renewed) the kernel
 * removes the IPv4 routes that prefer it, and then the second one serves.
 */
function hostRoutes(link: string, ip: Ip, master: Master, mtu: number): Route[] {
  const source = addressOf(master, ip.family);
  // The slave's MTU is its master's: what is too big for the pod must be told here.
  const own = mtu < master.mtu ? { mtu } : {};
  const route = { kind: "route", where: "host", link, dst: hostPrefix(ip), ...own } as const;
  if (ip.family === 6) return [source === undefined ? route : { ...route, source }];
  const plain = { ...route, scope: scopeLink };
  return source === undefined
    ? [plain]
    : [
        { ...plain, source },
        { ...plain, priority: 1 },
      ];
}

function podObjects(
  wiring: Wiring,
  master: Master,
  type: Ipvlan,
  addresses: readonly Prefix[],
  routes: readonly ResultRoute[],
): PodObject[] {
  const link = wiring.ifname;
  const isSegment = type.mode === "l2";
  const families = ([4, 6] as const).filter((family) => has(addresses, family));
  // Without an MTU of its own it follows the master's.
  const own = slaveInPod(wiring, type, wiring.mtu === master.mtu ? undefined : wiring.mtu);
  const given = addresses.map(
    (address): Address => ({
      kind: "address",
      where: "pod",
      link,
      address: podAddress(address, type.mode),
      ...(isSegment && address.ip.family === 6 ? { announced: true } : {}),
    }),
  );
  // The kernel announces those of IPv4 that a link has when it comes up, and those of IPv6 that one gets then.
  const isAnnouncedByLink = ({ address }: Address) => isSegment && !address.includes(":");
  return [
    ...podSettings(wiring, addresses, isSegment),
    ...given.filter(isAnnouncedByLink),
    own,
    ...given.filter((address) => !isAnnouncedByLink(address)),
    ...(isSegment
      ? families.map(
          (family) =>
            ({ kind: "neighbour", where: "pod", link, address: gateways[family], mac: master.mac }) as const,
        )
      : []),
    ...routes.map((route) => podRoute(link, route)),
  ];
}

/**
 * A segment's routers are not the pod's. Neighbours are told of its addresses, which may have been another node's pod's a moment
 * ago (arp_notify, ndisc_notify in Documentation/networking/ip-sysctl.rst).
 */
function podSettings(wiring: Wiring, addresses: readonly Prefix[], isSegment: boolean): PodObject[] {
  const link = wiring.ifname;
  const [hasIpv4, hasIpv6] = [has(addresses, 4), has(addresses, 6)];
  const isDeafened = isSegment && !hasIpv6 && hasIpv6Settings(wiring, wiring.mtu);
  return [
    ...(hasIpv6 ? podIpv6Settings(link) : []),
    ...(isDeafened ? [podSysctl(`net/ipv6/conf/${link}/accept_ra`, "0")] : []),
    ...(isSegment && hasIpv4 ? [podSysctl(`net/ipv4/conf/${link}/arp_notify`, "1")] : []),
    ...(isSegment && hasIpv6
      ? [podSysctl("net/ipv6/conf/all/accept_dad", "0"), podSysctl(`net/ipv6/conf/${link}/ndisc_notify`, "1")]
      : []),
  ];
}

/** On a segment the whole subnet is a neighbour. */
function podAddress({ ip, length }: Prefix, mode: IpvlanSettings["mode"]): string {
  return mode === "l2" ? `${formatIp(ip)}/${length}` : hostPrefix(ip);
}

/**
 * Routes with a gateway go to that router on the segment, those without to the host, and so do the host's own
 * addresses in the pod's subnet: nobody on the segment would answer for them.
 */
function segmentRoutes(
  wiring: Wiring,
  { master }: IpvlanSettings,
  subnets: readonly Prefix[],
): ResultRoute[] {
  const asked = wiring.routes.map((route): ResultRoute => {
    const checked = checkedRoute(route, wiring);
    if (isOnLink(checked)) return checked;
    const family = checked.dst.includes(":") ? 6 : 4;
    return { ...checked, gw: route.gw === undefined ? gateways[family] : onSegment(route, subnets) };
  });
  const own = master.addresses
    .flatMap((address) => parseIp(address) ?? [])
    .filter((ip) => subnets.some((subnet) => prefixContains(subnet, ip)))
    .map((ip): ResultRoute => ({ dst: hostPrefix(ip), gw: gateways[ip.family] }));
  return firstOfEach([...asked, ...own]);
}

function onSegment(route: ResultRoute, subnets: readonly Prefix[]): string {
  const gateway = parseIp(route.gw ?? "");
  if (gateway !== undefined && subnets.some((subnet) => prefixContains(subnet, gateway))) {
    return formatIp(gateway);
  }
  throw cannotWire(
    `route ${route.dst} has gw ${JSON.stringify(route.gw)}, which is in no subnet of the pod; ` +
      "leave gw out to go through the host",
  );
}
