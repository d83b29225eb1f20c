// What every datapath that lets the host route its pods' traffic needs there: forwarding, masquerading, the gateway.
import { addressBits, formatIp, minMtuIpv6, type Prefix } from "../address/ip.ts";
import { hostForwarding, hostSysctl } from "../plan/forwarding.ts";
import type { Hairpin, PodObject } from "../plan/plan.ts";
import type { Wiring } from "./datapath.ts";
import { cannotWire, gateways, has, networkOf } from "./routing.ts";

/**
 * Of the host as every pod's gateway: locally administered, and the same on every node, so that a pod's neighbour entry
 * never goes stale.
 */
export const gatewayMac = "ee:70:77:00:00:01";

/** `shortcuts`: links by which pods answer each other past the host; `hairpin`: see Masquerade. */
export function masquerade(
  wiring: Wiring,
  addresses: readonly Prefix[],
  shortcuts: readonly string[] = [],
  hairpin?: Hairpin,
): PodObject {
  return {
    kind: "masquerade",
    where: "host",
    network: wiring.network,
    sources: addresses.map(({ ip }) => formatIp(ip)),
    // A subnet of one address says nothing about the network.
    direct: addresses.filter(({ ip, length }) => length < addressBits(ip.family)).map(networkOf),
    ...(shortcuts.length === 0 ? {} : { shortcuts }),
    ...(hairpin === undefined ? {} : { hairpin }),
  };
}

/**
 * Host-wide, and last: they are left as they are when an ADD fails or a pod goes. `link`: by which the host reaches the pod. For
 * IPv6 it is turned on here and no sooner, because the kernel forgets the routers that it was told of with each link that
 * begins to forward (addrconf_fixup_forwarding in net/ipv6/addrconf.c), but those of links that listen all the same.
 */
export function forwarding(wiring: Wiring, addresses: readonly Prefix[], link?: string): PodObject[] {
  const { advertisedLinks } = wiring.host;
  const ofLink = link === undefined ? [] : [hostSysctl(`net/ipv6/conf/${link}/forwarding`, "1")];
  return [
    ...(has(addresses, 4) ? hostForwarding(4, advertisedLinks) : []),
    ...(has(addresses, 6) ? [...hostForwarding(6, advertisedLinks), ...ofLink] : []),
  ];
}

export function checkMtu(wiring: Wiring, addresses: readonly Prefix[]): void {
  if (wiring.mtu >= minMtuIpv6 || !has(addresses, 6)) return;
  throw cannotWire(
    `mtu ${wiring.mtu} is too small for IPv6; expected at least ${minMtuIpv6} (RFC 8200 section 5)`,
  );
}

/** Links of less than IPv6's least MTU have none. */
export function hasIpv6Settings({ host }: Wiring, mtu: number): boolean {
  return host.ipv6 && mtu >= minMtuIpv6;
}

/**
 * The link by which the host reaches its pods has the gateway's addresses. Pods do not need them as long as they have
 * their neighbour entries, but the kernel drops those when somebody sets a MAC.
 */
export function gatewayAddresses(link: string, addresses: readonly Prefix[]): PodObject[] {
  const at = { kind: "address", where: "host", link } as const;
  return [
    ...(has(addresses, 4) ? [{ ...at, address: `${gateways[4]}/32`, scope: "host" } as const] : []),
    ...(has(addresses, 6) ? [{ ...at, address: `${gateways[6]}/64` }] : []),
  ];
}
