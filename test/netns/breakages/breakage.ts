// One thing broken in the kernel, how it is repaired, and what CHECK must say of it. The scripts run in the host's or
// the pod's netns; LINK and MAC in them stand for the host's end of the pair and the pod's MAC.

export const ipv4 = "10.244.1.2";
export const ipv6 = "fd00:10:244:1::2";

export interface Breakage {
  readonly what: string;
  readonly where: "host" | "pod";
  readonly break: string;
  readonly restore: string;
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
export const restoreHost = restoreIn("host");
export const podNeighbours = (gateway: string) =>
  `ip neigh replace ${gateway} dev eth0 lladdr ee:70:77:00:00:01 nud permanent`;
export const restorePod = `${restoreIn("pod")}; ${podNeighbours("169.254.1.1")}; ${podNeighbours("fe80::1")}`;
