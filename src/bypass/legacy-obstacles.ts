// The same as for nft's rules, for those that iptables-legacy lists (`-t TABLE -S`), which are in no listing of nft's. Pure.
import type { Family } from "../address/ip.ts";
import { type Concern, isOtherAddress, isOtherPort, isOtherProtocol, isOtherThan } from "./concern.ts";
import { passesErrors } from "./icmp-errors.ts";
import { type LegacyRule, readListing } from "./legacy-listing.ts";
import { translatingChain } from "./translating-chains.ts";

const harmlessTargets = /^(ACCEPT|RETURN)$/;

/** A line for each obstacle. */
export function legacyObstacles(program: string, table: string, listing: string, concern: Concern): string[] {
  const family = program.startsWith("ip6") ? 6 : 4;
  if (!concern.prefixes.some(({ ip }) => ip.family === family)) return [];
  const { policies, chains, rules } = readListing(listing);
  const wanted = new Set(concern.hooks.map((hook) => hook.toUpperCase()));
  const errors = concern.errors?.toUpperCase() ?? "";
  const losesErrors = !rules.some((rule) => rule.chain === errors && acceptsErrors(rule, family));
  const found = [...concern.defaults.map((hook) => hook.toUpperCase()), ...(losesErrors ? [errors] : [])]
    .filter((chain) => policies.get(chain) === "DROP")
    .map((chain) => `${program} ${table === "filter" ? "" : `-t ${table} `}${chain} drops by default`);
  for (const chain of wanted) {
    if (translatingChain.test(chain)) continue;
    for (const rule of rules.filter((candidate) => candidate.chain === chain)) {
      const { target, text } = rule;
      if (target === undefined || harmlessTargets.test(target) || isAboutOthers(rule, family, concern))
        continue;
      // Sets grow while they are gone through.
      if (chains.has(target)) wanted.add(target);
      else found.push(`${program} -t ${table} ${text}`);
    }
  }
  return found;
}

/** Names of conditions, which say themselves what they want. */
const introductions = /^-m$|^--comment$/;
const meanings: Readonly<Record<string, string>> = {
  "-p": "l4proto",
  "--ctstate": "state",
  "--state": "state",
};

function acceptsErrors({ target, matches }: LegacyRule, family: Family): boolean {
  return (
    target === "ACCEPT" &&
    matches
      .filter(({ option }) => !introductions.test(option))
      .every(
        ({ option, value, isNegated }) =>
          !isNegated && passesErrors(meanings[option] ?? option, value.toLowerCase().split(","), family),
      )
  );
}

function isAboutOthers({ matches }: LegacyRule, family: Family, concern: Concern): boolean {
  const valuesOf = (options: RegExp) =>
    matches.filter(({ option, isNegated }) => options.test(option) && !isNegated).map(({ value }) => value);
  const protocols = valuesOf(/^-p$/);
  const ranges = valuesOf(/^--dport$/).map((text) => {
    const [first = "", last = first] = text.split(":");
    return [Number(first), Number(last)] as const;
  });
  const isAllButUdp = matches.some(
    ({ option, value, isNegated }) => option === "-p" && value === "udp" && isNegated,
  );
  return (
    valuesOf(/^-[sd]$/).some((address) => isOtherAddress([address], concern)) ||
    matches.some(
      ({ option, value, isNegated }) =>
        /^-[sd]$/.test(option) && isNegated && isOtherThan([value], family, concern),
    ) ||
    // What pods send to an address of the node's own is left alone.
    (concern.ports === undefined && valuesOf(/^--dst-type$/).includes("LOCAL")) ||
    (protocols.length > 0 && isOtherProtocol(protocols, concern)) ||
    (concern.ports !== undefined && isAllButUdp) ||
    isOtherPort(ranges, concern)
  );
}
