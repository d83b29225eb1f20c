// The same as for nft's rules, for those that iptables-legacy lists (`-t TABLE -S`), which are in no listing of nft's. Pure.
import { type Concern, isOtherAddress, isOtherPort, isOtherProtocol } from "./concern.ts";
import { kubeProxyChain } from "./kube-proxy.ts";

const harmlessTargets = /^(ACCEPT|RETURN)$/;

/** A line for each obstacle. */
export function legacyObstacles(program: string, table: string, listing: string, concern: Concern): string[] {
  const family = program.startsWith("ip6") ? 6 : 4;
  if (concern.prefixes.length > 0 && !concern.prefixes.some(({ ip }) => ip.family === family)) return [];
  const lines = listing.split("\n").map((line) => line.trim());
  const wanted = new Set(concern.hooks.map((hook) => hook.toUpperCase()));
  const found = [...wanted]
    .filter((chain) => lines.includes(`-P ${chain} DROP`))
    .map((chain) => `${program} ${table === "filter" ? "" : `-t ${table} `}${chain} drops by default`);
  for (const chain of wanted) {
    if (kubeProxyChain.test(chain)) continue;
    for (const line of lines.filter((candidate) => candidate.startsWith(`-A ${chain} `))) {
      const target = / -[jg] (\S+)/.exec(line)?.[1];
      if (isAboutOthers(line, concern)) continue;
      if (target === undefined || harmlessTargets.test(target)) continue;
      // Sets grow while they are gone through.
      if (lines.includes(`-N ${target}`)) wanted.add(target);
      else found.push(`${program} -t ${table} ${line}`);
    }
  }
  return found;
}

function isAboutOthers(line: string, concern: Concern): boolean {
  const valuesOf = (option: string) =>
    [...line.matchAll(new RegExp(`(?<!!) ${option} (\\S+)`, "g"))].map(([, value = ""]) => value);
  const protocols = valuesOf("-p");
  const ranges = valuesOf("--dport").map((text) => {
    const [first = "", last = first] = text.split(":");
    return [Number(first), Number(last)] as const;
  });
  return (
    valuesOf("-[sd]").some((address) => isOtherAddress([address], concern)) ||
    (protocols.length > 0 && isOtherProtocol(protocols, concern)) ||
    (concern.ports !== undefined && line.includes(" ! -p udp ")) ||
    isOtherPort(ranges, concern)
  );
}
