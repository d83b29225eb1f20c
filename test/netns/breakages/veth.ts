// Breakages of what only the veth datapath has: a link of the host for each pod.
import type { Breakage } from "./breakage.ts";
import { brokenSetting } from "./settings-and-rules.ts";

export const brokenVeth: Breakage[] = [
  {
    what: "the host's MAC",
    where: "host",
    break: "ip link set LINK address ee:70:77:00:00:02",
    restore: "ip link set LINK address ee:70:77:00:00:01",
    words: ["link LINK", "ee:70:77:00:00:01", "ee:70:77:00:00:02"],
  },
  {
    what: "the host's MTU",
    where: "host",
    break: "ip link set LINK mtu 1399",
    restore: "ip link set LINK mtu 1400",
    words: ["link LINK", "1400", "1399"],
  },
  brokenSetting("host", "net/ipv4/conf/LINK/proxy_arp", "1", "0"),
  brokenSetting("host", "net/ipv4/neigh/LINK/proxy_delay", "0", "80"),
  brokenSetting("host", "net/ipv6/conf/LINK/accept_ra", "0", "1"),
];
