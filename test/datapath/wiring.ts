// What the datapath tests ask for: container pod1's eth0 in network podnet, on a host with nothing special.
import type { Wiring } from "../../src/datapath/datapath.ts";

export const ipv4 = { address: "10.244.1.7/24", gateway: "10.244.1.1" };
export const ipv6 = { address: "fd00:10:244:1::7/64", gateway: "fd00:10:244:1::1" };

export function wiring(changes: Partial<Wiring> = {}): Wiring {
  return {
    network: "podnet",
    containerID: "pod1",
    ifname: "eth0",
    sandbox: "/run/netns/pod1",
    mtu: 1450,
    ips: [ipv4],
    routes: [{ dst: "0.0.0.0/0" }],
    ipMasq: false,
    host: { ipv6: true, ipv6OffByDefault: false, advertisedLinks: [] },
    ...changes,
  };
}
