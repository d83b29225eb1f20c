// What of a node's rules would not be applied any more to pods' traffic that skips netfilter. Pure: takes what
// nft and iptables-legacy list. A rule that only accepts, counts or jumps is no obstacle; kube-proxy's and podwire's
// own are none, because the module leaves what they translate on its full path.
import { type Prefix, parseIp, parsePrefix, prefixContains, prefixCovers } from "../address/ip.ts";
import { type NftChain, type NftObject, type NftRule, rulesOf } from "../linux/nft-listing.ts";

/** What a forwarded packet meets. */
const hooks = ["prerouting", "forward", "postrouting"];
const knownTables = /^(podwire|kube-proxy)$/;
/** Not kube-router's and other policies' chains, which begin with KUBE too. */
const kubeProxy =
  /^KUBE-(SERVICES|NODEPORTS|POSTROUTING|FORWARD|FIREWALL|MARK-(MASQ|DROP)|EXTERNAL-SERVICES|NODE-PORT|LOAD-BALANCER|PROXY-FIREWALL|(PROXY|KUBELET)-CANARY|(SVC|SEP|EXT|FW|XLB|SVL)-[A-Z0-9]+)$/;
/** Parts of a rule without an effect on the packet. */
const harmless = new Set([
  "match",
  "counter",
  "accept",
  "return",
  "continue",
  "jump",
  "goto",
  "limit",
  "quota",
]);

/** A line for each obstacle, as a person would look for it. */
export function nftObstacles(objects: readonly NftObject[], pods: readonly Prefix[]): string[] {
  const rules = objects.flatMap(({ rule }) => rule ?? []);
  const bases = objects
    .flatMap(({ chain }) => chain ?? [])
    .filter(({ hook }) => hook !== undefined && hooks.includes(hook))
    .filter(({ table }) => !knownTables.test(table))
    .filter(({ family }) => ["ip", "ip6", "inet"].includes(family))
    .filter(
      ({ family }) => family === "inet" || pods.some(({ ip }) => `ip${ip.family === 4 ? "" : 6}` === family),
    );
  const dropping = bases
    .filter(({ hook, policy }) => hook === "forward" && policy === "drop")
    .map(({ family, table, name }) => `chain ${family} ${table} ${name} drops by default`);
  return [...dropping, ...bases.flatMap((base) => obstaclesFrom(base, base.name, rules, pods, new Set()))];
}

function obstaclesFrom(
  base: NftChain,
  chain: string,
  rules: readonly NftRule[],
  pods: readonly Prefix[],
  visited: Set<string>,
): string[] {
  if (visited.has(chain) || kubeProxy.test(chain)) return [];
  visited.add(chain);
  return rulesOf(base, chain, rules)
    .filter((rule) => !namesOnlyOthers(rule, pods))
    .flatMap((rule) => {
      const found = rule.expr.some((part) => hasEffect(part)) ? [describe(rule)] : [];
      const targets = rule.expr.map(
        (part) => (part["jump"] ?? part["goto"]) as { target?: string } | undefined,
      );
      const below = targets.flatMap((next) =>
        next?.target === undefined ? [] : obstaclesFrom(base, next.target, rules, pods, visited),
      );
      return [...found, ...below];
    });
}

/** What iptables made and nft cannot show: matches are conditions, targets have an effect. */
function hasEffect(part: Readonly<Record<string, unknown>>): boolean {
  const [kind = ""] = Object.keys(part);
  if (kind === "xt") return (part[kind] as { type?: string } | null)?.type !== "match";
  return !harmless.has(kind);
}

function describe({ family, table, chain, handle, expr }: NftRule): string {
  const effects = expr.filter(hasEffect).map((part) => {
    const [kind = ""] = Object.keys(part);
    const name = (part[kind] as { name?: string } | null)?.name;
    return kind === "xt" && name !== undefined ? name : kind;
  });
  return `rule ${handle ?? "?"} of chain ${family} ${table} ${chain} (${effects.join(", ")})`;
}

/** A rule for an address that is no pod's concerns no packet between pods. */
function namesOnlyOthers({ expr }: NftRule, pods: readonly Prefix[]): boolean {
  return expr.some((part) => {
    const { op, left, right } = (part["match"] ?? {}) as Match;
    const field = left?.payload?.field ?? "";
    if (op !== "==" || !["saddr", "daddr"].includes(field)) return false;
    const text =
      typeof right === "string"
        ? right
        : right?.prefix === undefined
          ? undefined
          : `${right.prefix.addr}/${right.prefix.len}`;
    return text !== undefined && isDisjoint(text, pods);
  });
}

interface Match {
  readonly op?: string;
  readonly left?: { readonly payload?: { readonly field?: string } };
  readonly right?: string | { readonly prefix?: { addr: string; len: number } };
}

function isDisjoint(text: string, pods: readonly Prefix[]): boolean {
  const prefix = parsePrefix(text);
  if (prefix !== undefined)
    return !pods.some((pod) => prefixCovers(prefix, pod) || prefixCovers(pod, prefix));
  const ip = parseIp(text);
  return ip !== undefined && !pods.some((pod) => prefixContains(pod, ip));
}

/** The same for `iptables-legacy -t TABLE -S`. */
export function legacyObstacles(
  program: string,
  table: string,
  listing: string,
  pods: readonly Prefix[],
): string[] {
  const lines = listing.split("\n").map((line) => line.trim());
  const wanted = new Set(["PREROUTING", "FORWARD", "POSTROUTING"]);
  const harmlessTargets = /^(ACCEPT|RETURN)$/;
  const found = lines
    .filter((line) => line === "-P FORWARD DROP")
    .map(() => `${program} FORWARD drops by default`);
  for (const chain of wanted) {
    if (kubeProxy.test(chain)) continue;
    for (const line of lines.filter((candidate) => candidate.startsWith(`-A ${chain} `))) {
      const target = / -[jg] (\S+)/.exec(line)?.[1];
      const addresses = [...line.matchAll(/(?<!! )-[sd] (\S+)/g)].map(([, address = ""]) => address);
      if (addresses.some((address) => isDisjoint(address, pods))) continue;
      if (target === undefined || harmlessTargets.test(target)) continue;
      // Sets grow while they are gone through.
      if (lines.includes(`-N ${target}`)) wanted.add(target);
      else found.push(`${program} -t ${table} ${line}`);
    }
  }
  return found;
}
