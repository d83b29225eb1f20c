// Breakages of addresses and routes, on both sides.
import { shape } from "../../fixture/shape/shape.ts";
import { type Breakage, ipv4, ipv6, onward, restoreHost, restorePod } from "./breakage.ts";

export const brokenRoutes: Breakage[] = [
  {
    what: "the pod's IPv4 address",
    where: "pod",
    break: `ip address del ${ipv4}/32 dev eth0`,
    restore: restorePod,
    words: [`address ${ipv4}/32`, /found (?!10\.244)/],
  },
  {
    what: "the pod's IPv6 address",
    where: "pod",
    break: `ip address del ${ipv6}/128 dev eth0`,
    restore: restorePod,
    words: [`address ${ipv6}/128`],
  },
  {
    what: "the pod's address with another prefix length",
    where: "pod",
    break: `ip address del ${ipv4}/32 dev eth0; ip address add ${ipv4}/24 dev eth0`,
    restore: `ip address del ${ipv4}/24 dev eth0; ${restorePod}`,
    words: [`${ipv4}/32`, `${ipv4}/24`],
  },
  {
    what: "the host's IPv4 route",
    where: "host",
    break: `ip route flush ${ipv4}/32 dev LINK`,
    restore: restoreHost,
    words: [`route ${ipv4}/32`, "no such route"],
  },
  {
    what: "the host's IPv6 route",
    where: "host",
    break: `ip -6 route flush ${ipv6}/128 dev LINK`,
    restore: restoreHost,
    words: [`route ${ipv6}/128`, "no such route"],
  },
  {
    what: "the host's route turned to another link",
    where: "host",
    break: `ip route replace ${ipv4}/32 dev uplink scope link`,
    restore: `ip route del ${ipv4}/32; ${restoreHost}`,
    words: [`route ${ipv4}/32`],
  },
  {
    what: "the host's route as a blackhole",
    where: "host",
    break: `ip route replace blackhole ${ipv4}/32`,
    restore: `ip route del blackhole ${ipv4}/32; ${restoreHost}`,
    words: [`route ${ipv4}/32`],
  },
  {
    what: "the pod's default route",
    where: "pod",
    break: "ip route del default",
    restore: restorePod,
    words: ["route 0.0.0.0/0", "no such route"],
  },
  {
    what: "the pod's IPv6 default route",
    where: "pod",
    break: "ip -6 route del default",
    restore: restorePod,
    words: ["route ::/0", "no such route"],
  },
  {
    what: "the gateway of the pod's default route",
    where: "pod",
    break: "ip route replace default via 169.254.1.2 dev eth0 onlink",
    restore: `ip route del default; ${restorePod}`,
    words: ["route 0.0.0.0/0", shape.gateway?.ipv4 ?? "no gateway", "169.254.1.2"],
  },
  {
    what: "the MTU of a route",
    where: "pod",
    break: `ip route replace 10.50.0.0/16 ${onward} metric 77 mtu 1299 advmss 1200`,
    restore: `ip route del 10.50.0.0/16; ${restorePod}`,
    words: ["route 10.50.0.0/16", "1300", "1299"],
  },
  {
    what: "the MSS of a route",
    where: "pod",
    break: `ip route replace 10.50.0.0/16 ${onward} metric 77 mtu 1300`,
    restore: `ip route del 10.50.0.0/16; ${restorePod}`,
    words: ["route 10.50.0.0/16", "1200", "no advmss"],
  },
  {
    what: "the metric of a route",
    where: "pod",
    break: `ip route del 10.50.0.0/16; ip route add 10.50.0.0/16 ${onward} metric 78 mtu 1300 advmss 1200`,
    restore: `ip route del 10.50.0.0/16; ${restorePod}`,
    words: ["route 10.50.0.0/16", "77", "78"],
  },
  {
    what: "the table of a route",
    where: "pod",
    break: `ip route del 10.60.0.0/16 table 200; ip route add 10.60.0.0/16 ${onward} table 201`,
    restore: `ip route del 10.60.0.0/16 table 201; ${restorePod}`,
    words: ["route 10.60.0.0/16", "no such route"],
  },
];
