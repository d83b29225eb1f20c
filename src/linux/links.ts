// Links of the host, without asking iproute2.
import fs from "node:fs";

/** procfs shows the caller's netns, which sysfs does only if it was mounted from within. */
export function hostLinkExists(name: string): boolean {
  return fs.existsSync(`/proc/sys/net/ipv4/conf/${name}`);
}
