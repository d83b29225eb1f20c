// What of a node's rules would not be applied any more to traffic that skips netfilter. Pure: takes what nft lists. A rule
// that only accepts, counts or jumps is no obstacle; kube-proxy's and podwire's own are none, because the module leaves
// what they translate on its full path.
import type { Family } from "../address/ip.ts";
import {
  elementText,
  type NftChain,
  type NftElement,
  type NftObject,
  type NftRule,
  rulesOf,
} from "../linux/nft-listing.ts";
import {
  type Concern,
  isOtherAddress,
  isOtherPort,
  isOtherProtocol,
  isOtherThan,
  type Range,
} from "./concern.ts";
import { passesErrors } from "./icmp-errors.ts";
import { translatingChain } from "./translating-chains.ts";

const knownTables = /^(podwire|kube-proxy|cni_hostport)$/;
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
export function nftObstacles(objects: readonly NftObject[], concern: Concern): string[] {
  const rules = objects.flatMap(({ rule }) => rule ?? []);
  const families = concern.prefixes.map(({ ip }) => (ip.family === 4 ? "ip" : "ip6"));
  const chains = objects
    .flatMap(({ chain }) => chain ?? [])
    .filter(({ table }) => !knownTables.test(table))
    .filter(({ family }) => ["inet", ...families].includes(family));
  const bases = chains.filter(({ hook }) => hook !== undefined && concern.hooks.includes(hook));
  const dropping = chains
    .filter(({ policy }) => policy === "drop")
    .filter(
      (chain) =>
        concern.defaults.includes(chain.hook ?? "") ||
        (chain.hook === concern.errors && losesErrors(chain, rulesOf(chain, chain.name, rules), concern)),
    )
    .map(({ family, table, name }) => `chain ${family} ${table} ${name} drops by default`);
  return [...dropping, ...bases.flatMap((base) => obstaclesFrom(base, base.name, rules, concern, new Set()))];
}

function obstaclesFrom(
  base: NftChain,
  chain: string,
  rules: readonly NftRule[],
  concern: Concern,
  visited: Set<string>,
): string[] {
  if (visited.has(chain) || translatingChain.test(chain)) return [];
  visited.add(chain);
  return rulesOf(base, chain, rules)
    .map((rule) => ({ ...rule, expr: partsMet(rule.expr, concern) }))
    .flatMap((rule) => {
      const found = rule.expr.some((part) => hasEffect(part)) ? [describe(rule)] : [];
      const targets = rule.expr.map(
        (part) => (part["jump"] ?? part["goto"]) as { target?: string } | undefined,
      );
      const below = targets.flatMap((next) =>
        next?.target === undefined ? [] : obstaclesFrom(base, next.target, rules, concern, visited),
      );
      return [...found, ...below];
    });
}

/** A rule is gone through until a condition does not hold: what comes before has its effect on everybody's packets. */
function partsMet(parts: NftRule["expr"], concern: Concern): NftRule["expr"] {
  const unmet = parts.findIndex((part) => isAboutOthers(part, concern));
  return unmet < 0 ? parts : parts.slice(0, unmet);
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
    if (kind !== "xt") return kind;
    return name ?? "of iptables, which this nft cannot show; 1.0.6 and newer can";
  });
  return `rule ${handle ?? "?"} of chain ${family} ${table} ${chain} (${effects.join(", ")})`;
}

interface Match {
  readonly op?: string;
  readonly left?: {
    readonly payload?: { readonly protocol?: string; readonly field?: string };
    readonly meta?: { readonly key?: string };
    readonly ct?: { readonly key?: string };
    readonly fib?: { readonly result?: string; readonly flags?: readonly string[] };
  };
  readonly right?: Value | readonly Value[] | { readonly set: readonly Value[] } | null;
}

type Value = NftElement | number | { readonly range: readonly [number, number] };

/** Transport protocols of which nft reads a field only in their own packets. */
const otherTransports = ["tcp", "udplite", "sctp", "dccp", "icmp", "icmpv6", "igmp", "esp", "ah", "comp"];

/** Of the families that it is about. */
function losesErrors({ family }: NftChain, rules: readonly NftRule[], { prefixes }: Concern): boolean {
  const families = new Set(prefixes.map(({ ip }) => ip.family));
  const own = ([4, 6] as const).filter(
    (one) => families.has(one) && [`ip${one === 4 ? "" : one}`, "inet"].includes(family),
  );
  return own.some((one) => !rules.some((rule) => acceptsErrors(rule, one)));
}

function acceptsErrors({ expr }: NftRule, family: Family): boolean {
  const conditions = expr.filter((part) => !("counter" in part || "accept" in part || isComment(part)));
  return (
    expr.some((part) => "accept" in part) &&
    conditions.every((part) => {
      const { op, left, right } = (part["match"] ?? {}) as Match;
      const { protocol = "", field = "" } = left?.payload ?? {};
      const what = left?.ct?.key ?? left?.meta?.key ?? `${protocol} ${field}`;
      return ["==", "in"].includes(op ?? "") && passesErrors(what, valuesOf(right).map(textOf), family);
    })
  );
}

function isComment(part: Readonly<Record<string, unknown>>): boolean {
  return (part["xt"] as { name?: string } | null | undefined)?.name === "comment";
}

/** A condition that none of these packets meets. */
function isAboutOthers(part: Readonly<Record<string, unknown>>, concern: Concern): boolean {
  const match = part["match"] as Match | undefined;
  if (match === undefined) return false;
  const { protocol = "", field = "" } = match.left?.payload ?? {};
  if (concern.ports !== undefined && otherTransports.includes(protocol)) return true;
  const values = valuesOf(match.right);
  const isAddress = ["saddr", "daddr"].includes(field) && ["ip", "ip6"].includes(protocol);
  if (isAddress && match.op === "!=")
    return isOtherThan(values.map(textOf), protocol === "ip" ? 4 : 6, concern);
  if (match.op !== "==") return false;
  if (isAddress) return isOtherAddress(values.map(textOf), concern);
  if (isToHost(match)) return concern.ports === undefined;
  if (match.left?.meta?.key === "l4proto" || ["ip protocol", "ip6 nexthdr"].includes(`${protocol} ${field}`))
    return isOtherProtocol(values.map(textOf), concern);
  return ["udp dport", "th dport"].includes(`${protocol} ${field}`) && isOtherPort(rangesOf(values), concern);
}

/** What pods send to an address of the node's own is left alone. */
function isToHost({ left, right }: Match): boolean {
  return left?.fib?.result === "type" && left.fib.flags?.join() === "daddr" && right === "local";
}

/** At least one, that may be anything: of none it is true that all are others. */
function valuesOf(right: Match["right"]): readonly Value[] {
  if (right === null || right === undefined) return [""];
  if (Array.isArray(right)) return right;
  return typeof right === "object" && "set" in right ? right.set : [right as Value];
}

/** "" of what nobody reads here, such as arithmetic. */
function textOf(value: Value): string {
  if (typeof value === "number") return `${value}`;
  const isKnown = typeof value === "string" || "prefix" in value || "range" in value;
  return isKnown ? elementText(value as NftElement) : "";
}

/** None if one of them is not known: a set's name, for one. */
function rangesOf(values: readonly Value[]): Range[] {
  const ranges = values.flatMap((value): Range[] => {
    if (typeof value === "number") return [[value, value]];
    if (typeof value === "string" || !("range" in value)) return [];
    const [first, last] = value.range;
    return [[Number(first), Number(last)]];
  });
  return ranges.length === values.length ? ranges : [];
}
