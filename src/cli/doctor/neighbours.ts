// Whether the kernel can know all peers that it has to send to by the link itself.
import { readHostSysctl } from "../../linux/sysctl.ts";
import type { Desired } from "../../node/overlay.ts";
import { type Finding, warning } from "./finding.ts";

/** The kernel's limit is for all links together (Documentation/networking/ip-sysctl.rst, neigh/default). */
export function checkNeighbours(
  { peers, underlay }: Pick<Desired, "peers" | "underlay">,
  read: (key: string) => string | undefined = readHostSysctl,
): Finding[] {
  return ([4, 6] as const).flatMap((family) => {
    const key = `net/${family === 4 ? "ipv4" : "ipv6"}/neigh/default/gc_thresh3`;
    const most = read(key);
    const near = peers.filter(({ address, onLink }) => onLink && address.family === family).length;
    // Only the first network namespace has the setting.
    if (most === undefined || near < Number(most)) return [];
    const name = key.replaceAll("/", ".");
    return [
      warning(
        `sysctl ${name}`,
        `${most}, and ${near} peers are on the link ${underlay.link}`,
        "the kernel forgets neighbours that it needs, and packets to peers are lost (neighbour: arp_cache: neighbor table overflow!)",
        `sysctl -w ${name}=${2 * near}, and gc_thresh1 and gc_thresh2 likewise`,
      ),
    ];
  });
}
