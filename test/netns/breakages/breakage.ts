// One thing broken in the kernel, how it is repaired, and what CHECK must say of it. The scripts run in the host's or
// the pod's netns; LINK and MAC in them and in the words stand for the host's link to its pods and for the pod's MAC.
import { shape } from "../../fixture/shape/shape.ts";

export const ipv4 = "10.244.1.2";
export const ipv6 = "fd00:10:244:1::2";

export interface Breakage {
  readonly what: string;
  readonly where: "host" | "pod";
  readonly break: string;
  /** Absent where nothing but a new ADD can repair it. */
  readonly restore?: string;
  /** What the error must say: the object, then what was expected and found where there is a value. */
  readonly words: readonly (string | RegExp)[];
}

// What was there is saved at the start: a repair gives back whatever a breakage took along.
const restoreIn = (name: string) =>
  `ip address restore < /run/${name}.address; ` +
  `for family in 4 6; do ip -$family route restore < /run/${name}.route$family; done`;
/** Script that saves what restoreHost or restorePod give back. */
export const saveIn = (name: string, link: string) =>
  `ip address save dev ${link} > /run/${name}.address; ` +
  `for family in 4 6; do ip -$family route save table all dev ${link} > /run/${name}.route$family; done`;
const hostNeighbours = [ipv4, ipv6]
  .map((address) => `; ip neigh replace ${address} dev LINK lladdr MAC nud permanent`)
  .join("");
export const restoreHost = `${restoreIn("host")}${shape.knowsPodsByMac ? hostNeighbours : ""}`;

const { gateway } = shape;
/** Script that gives the pod its neighbour entries of gateways back. */
export const podNeighbours =
  gateway === undefined
    ? "true"
    : [gateway.ipv4, gateway.ipv6]
        .map((address) => `ip neigh replace ${address} dev eth0 lladdr ${gateway.mac} nud permanent`)
        .join("; ");
export const restorePod = `${restoreIn("pod")}; ${podNeighbours}`;

/** Where the pod's routes lead, as words for `ip route`. */
export const onward = gateway === undefined ? "dev eth0" : `via ${gateway.ipv4} dev eth0 onlink`;
