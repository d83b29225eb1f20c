// Links of the host, without asking iproute2: procfs shows the caller's netns, which sysfs does only if it was
// mounted from within.
import fs from "node:fs";

const links = "/proc/sys/net/ipv4/conf";

export function hostLinkExists(name: string): boolean {
  return fs.existsSync(`${links}/${name}`);
}

export function hostLinkNames(): string[] {
  return fs.readdirSync(links).filter((name) => name !== "all" && name !== "default");
}

/** Not where the kernel was started with `ipv6.disable=1`, or has no IPv6 at all. */
export function hostHasIpv6(): boolean {
  return fs.existsSync("/proc/sys/net/ipv6");
}

/** RTF_LOCAL and RTF_ANYCAST, include/uapi/linux/ipv6_route.h: of addresses that the link itself has. */
const ofItself = 0x80000000 + 0x00100000;

/** Links of the host by which the main table reaches single addresses. */
export function linksWithHostRoutes(): Set<string> {
  const ipv4 = rows("/proc/net/route").filter(([, , , , , , , mask]) => mask === "FFFFFFFF");
  const ipv6 = rows("/proc/net/ipv6_route").filter(
    ([dst = "", length, , , , , , , flags = ""]) =>
      length === "80" && !/^(fe80|ff)/.test(dst) && (Number.parseInt(flags, 16) & ofItself) === 0,
  );
  return new Set([...ipv4.map(([link]) => link ?? ""), ...ipv6.map((fields) => fields[9] ?? "")]);
}

function rows(file: string): string[][] {
  if (!fs.existsSync(file)) return [];
  return fs
    .readFileSync(file, "utf8")
    .split("\n")
    .map((line) => line.trim().split(/\s+/));
}
