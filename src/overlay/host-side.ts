// What every overlay needs of the host besides routes: forwarding, and nftables' knowledge of the peers.
import type { PeerSets, Plan, Sysctl } from "../plan/plan.ts";
import type { OverlayRequest } from "./overlay.ts";

/** Of what arrives by `link`, on the whole host. */
export function forwarding({ peers, host }: OverlayRequest, link: string): Plan {
  const has = (family: 4 | 6) =>
    peers.some(({ prefixes }) => prefixes.some(({ prefix }) => prefix.ip.family === family));
  const ipv4 = [sysctl(`net/ipv4/conf/${link}/forwarding`, "1"), sysctl("net/ipv4/ip_forward", "1")];
  const ipv6 = [
    // 2: accept router advertisements although forwarding (Documentation/networking/ip-sysctl.rst).
    ...host.advertisedLinks.map((name) => sysctl(`net/ipv6/conf/${name}/accept_ra`, "2")),
    sysctl("net/ipv6/conf/all/forwarding", "1"),
    sysctl(`net/ipv6/conf/${link}/forwarding`, "1"),
  ];
  return [...(has(4) ? ipv4 : []), ...(has(6) ? ipv6 : [])];
}

/** `tunnelled`: what packets to be filtered look like; undefined where none are expected. */
export function peerSets(
  { peers }: OverlayRequest,
  tunnelled: { port: number; id: number } | undefined,
): PeerSets {
  return {
    kind: "peer-sets",
    where: "host",
    prefixes: peers.flatMap(({ prefixes }) => prefixes.map(({ text }) => text)),
    ...(tunnelled === undefined
      ? {}
      : { filter: { ...tunnelled, addresses: peers.map(({ addressText }) => addressText) } }),
  };
}

export function sysctl(key: string, value: string): Sysctl {
  return { kind: "sysctl", where: "host", key, value };
}
