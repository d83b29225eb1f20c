// Breakages of what leads a pod to the host that is its gateway, and of the pod's MAC: for datapaths that have them.
import { type Breakage, podNeighbours, restoreHost, restorePod } from "./breakage.ts";

interface Gateway {
  readonly ipv4: string;
  readonly ipv6: string;
  readonly mac: string;
}

export function brokenGateway({ ipv4, ipv6, mac }: Gateway): Breakage[] {
  return [
    {
      what: "the host's gateway address of IPv6",
      where: "host",
      break: `ip address del ${ipv6}/64 dev LINK`,
      restore: restoreHost,
      words: [`${ipv6}/64`],
    },
    ...[ipv4, ipv6].flatMap((address) => brokenNeighbour(address, mac)),
  ];
}

function brokenNeighbour(address: string, mac: string): Breakage[] {
  const common = { where: "pod", restore: podNeighbours } as const;
  return [
    {
      ...common,
      what: `the neighbour entry of ${address}`,
      break: `ip neigh del ${address} dev eth0`,
      words: [`neighbour ${address}`, mac, "nothing"],
    },
    {
      ...common,
      what: `the MAC of the neighbour ${address}`,
      break: `ip neigh replace ${address} dev eth0 lladdr 0a:00:00:00:00:03 nud permanent`,
      words: [`neighbour ${address}`, mac, "0a:00:00:00:00:03"],
    },
    {
      ...common,
      what: `the permanence of the neighbour ${address}`,
      break: `ip neigh replace ${address} dev eth0 lladdr ${mac} nud stale`,
      words: [`neighbour ${address}`],
    },
  ];
}

export const brokenMac: Breakage = {
  what: "the pod's MAC",
  where: "pod",
  break: "ip link set eth0 address 0a:00:00:00:00:02",
  restore: `ip link set eth0 address MAC; ${restorePod}`,
  words: ["link eth0", "MAC", "0a:00:00:00:00:02"],
};
