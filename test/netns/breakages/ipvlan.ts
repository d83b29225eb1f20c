// Breakages of what only the ipvlan datapath has: a master whose mode all slaves share, and the host's second route.
import { hostAddress } from "../../fixture/node.ts";
import { type Breakage, ipv4, restoreHost, restorePod } from "./breakage.ts";
import { brokenSetting } from "./settings-and-rules.ts";

const inPod = (script: string) => `nsenter --net=/run/netns/pod1 sh -ec '${script}'`;

export const brokenIpvlan: Breakage[] = [
  {
    what: "the mode of the master",
    where: "host",
    break: "ip link set LINK type ipvlan mode l3",
    restore: "ip link set LINK type ipvlan mode l3s",
    words: ["link LINK", "link eth0", "mode l3s bridge", "mode l3 bridge"],
  },
  {
    what: "the flag of the master",
    where: "host",
    break: "ip link set LINK type ipvlan mode l3s private",
    restore: "ip link set LINK type ipvlan mode l3s bridge",
    words: ["link LINK", "link eth0", "mode l3s bridge", "mode l3s private"],
  },
  {
    what: "a slave of another master under the pod's name",
    where: "host",
    break:
      `${inPod("ip link set eth0 down; ip link set eth0 name away")}; ip link add foreign up type bridge; ` +
      "ip link add link foreign name eth0 netns /run/netns/pod1 type ipvlan mode l3s; " +
      inPod("ip link set eth0 mtu 1400 up"),
    restore: `ip link del foreign; ${inPod(`ip link set away name eth0 up; ${restorePod}`)}`,
    words: ["link eth0", "master uplink"],
  },
  {
    what: "the host's route that serves when the preferred source address goes",
    where: "host",
    break: `ip route del ${ipv4}/32 dev LINK metric 1`,
    restore: restoreHost,
    words: [`route ${ipv4}/32`],
  },
  brokenSetting("host", "net/ipv6/conf/LINK/accept_ra", "0", "1"),
  {
    what: "the host's source for answers that go past it",
    where: "host",
    break: `nft delete element inet podwire hairpin4-podnet '{ LINK : ${hostAddress} }'`,
    restore: `nft add element inet podwire hairpin4-podnet '{ LINK : ${hostAddress} }'`,
    words: ["masquerading", `expected ${hostAddress}, `, "as the source by LINK"],
  },
];
