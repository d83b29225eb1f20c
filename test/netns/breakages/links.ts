// Breakages of the pod's link and of the host's.
import { shape } from "../../fixture/shape/shape.ts";
import { type Breakage, restoreHost, restorePod } from "./breakage.ts";

/** ovs-vswitchd makes another one and takes the renamed one away, sooner or later, with what was put back on it. */
const isMadeAgain = shape.name === "ovs";

export const brokenLinks: Breakage[] = [
  {
    what: "the host's link renamed",
    where: "host",
    break: "ip link set LINK down; ip link set LINK name away",
    ...(isMadeAgain ? {} : { restore: `ip link set away name LINK up; ${restoreHost}` }),
    words: ["link LINK", ...(isMadeAgain ? [] : ["no such link"])],
  },
  {
    what: "the pod's link renamed",
    where: "pod",
    break: "ip link set eth0 down; ip link set eth0 name away",
    restore: `ip link set away name eth0 up; ${restorePod}`,
    words: ["link eth0", "no such link"],
  },
  {
    what: "another kind of link under the pod's name",
    where: "pod",
    break:
      "ip link set eth0 down; ip link set eth0 name away; ip link add eth0 address MAC mtu 1400 type bridge; ip link set eth0 up",
    restore: `ip link del eth0; ip link set away name eth0 up; ${restorePod}`,
    words: ["link eth0", shape.podLink, "bridge"],
  },
  {
    what: "the host's link down",
    where: "host",
    break: "ip link set LINK down",
    restore: `ip link set LINK up; ${restoreHost}`,
    words: ["link LINK", "up", "down"],
  },
  {
    what: "the pod's link down",
    where: "pod",
    break: "ip link set eth0 down",
    restore: `ip link set eth0 up; ${restorePod}`,
    words: ["link eth0", "up", "down"],
  },
  {
    what: "the pod's MTU",
    where: "pod",
    break: "ip link set eth0 mtu 1399",
    restore: "ip link set eth0 mtu 1400",
    words: ["link eth0", "1400", "1399"],
  },
];
