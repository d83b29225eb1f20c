// What the overlay tests ask for: node n1 at 192.0.2.1 with its pods' prefixes, and peers from their entries.
import { parseIp, parsePrefix } from "../../src/address/ip.ts";
import type { OverlayConfig, PeerConfig } from "../../src/config/overlay.ts";
import type { OverlayRequest } from "../../src/overlay/overlay.ts";
import { checkPeers } from "../../src/overlay/peers.ts";

export const n2 = { node: "n2", address: "192.0.2.2", podCIDRs: ["10.244.2.0/24"] };
export const n3 = { node: "n3", address: "198.51.100.3", podCIDRs: ["10.244.3.0/24"] };

export function request(
  config: OverlayConfig,
  peers: readonly PeerConfig[] = [n2],
  { local = "192.0.2.1", own = ["10.244.1.0/24"], mtu = 1500 } = {},
): OverlayRequest {
  const entries = peers.map((peer, index) => ({ config: peer, place: `overlay.peers.${index}` }));
  const checked = checkPeers(
    entries,
    own.flatMap((text) => parsePrefix(text) ?? []),
    new Set([local]),
  );
  return {
    config,
    underlay: { link: "eth0", mtu, local: parseIp(local) ?? fail(local) },
    own: checked.own,
    // In these tests the underlay's link has 192.0.2.0/24 and 2001:db8::/64.
    peers: checked.peers.map((peer) => ({
      ...peer,
      onLink: isNear(peer.addressText),
      ...(peer.address6Text === undefined ? {} : { onLink6: isNear(peer.address6Text) }),
    })),
    host: { ipv6: true, advertisedLinks: [] },
  };
}

const isNear = (address: string) => /^(192\.0\.2|2001:db8::)/.test(address);

function fail(text: string): never {
  throw new Error(`${text} is no address`);
}
