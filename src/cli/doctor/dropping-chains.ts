// Finds in nft's JSON listing the chains that drop by default what they are asked about and have no rule that lets
// pods through. Pure. A rule counts if it accepts without a condition, or for pods' links or
// addresses; what its other conditions demand is not looked into.
import { type Prefix, parseIp, parsePrefix, prefixContains, prefixCovers } from "../../address/ip.ts";
import { type NftChain, type NftObject, type NftRule, rulesOf } from "../../linux/nft-listing.ts";
import { meansLink, type Passage } from "./passages.ts";

type Pods = Pick<Passage, "hook" | "links" | "pods">;

/** As "family table chain", which nft takes in a command. */
export function droppingChains(objects: readonly NftObject[], passage: Pods): string[] {
  const rules = objects.flatMap(({ rule }) => rule ?? []);
  return objects
    .flatMap(({ chain }) => chain ?? [])
    .filter((chain) => chain.hook === passage.hook && dropsByDefault(chain, rules))
    .filter(({ family }) => concerns(family, passage))
    .filter((chain) => !letsThrough(chain, chain.name, rules, passage, new Set()))
    .map(({ family, table, name }) => `${family} ${table} ${name}`);
}

/** By its policy, or, as firewalld does it, by a rule for all that is left. */
function dropsByDefault(chain: NftChain, rules: readonly NftRule[]): boolean {
  if (chain.policy === "drop") return true;
  return rulesOf(chain, chain.name, rules).some(
    (rule) => !isConditional(rule) && rule.expr.some((part) => "drop" in part || "reject" in part),
  );
}

/** Without known pods every family may be theirs. */
function concerns(family: string, { pods }: Pods): boolean {
  const number = { ip: 4, ip6: 6 }[family];
  if (number === undefined) return family === "inet";
  return pods.length === 0 || pods.some(({ ip }) => ip.family === number);
}

function letsThrough(
  base: NftChain,
  chain: string,
  rules: readonly NftRule[],
  pods: Pods,
  visited: Set<string>,
): boolean {
  if (visited.has(chain)) return false;
  visited.add(chain);
  return rulesOf(base, chain, rules)
    .filter((rule) => isForPods(rule, pods))
    .some((rule) => {
      if (rule.expr.some((part) => "accept" in part)) return true;
      const target = rule.expr.map((part) => part["jump"] ?? part["goto"]).find((next) => next !== undefined);
      const name = (target as { target?: string } | undefined)?.target;
      return name !== undefined && letsThrough(base, name, rules, pods, visited);
    });
}

function isForPods(rule: NftRule, pods: Pods): boolean {
  return !isConditional(rule) || conditionsOf(rule).some((condition) => namesPods(condition["match"], pods));
}

function isConditional(rule: NftRule): boolean {
  return conditionsOf(rule).length > 0;
}

/** Conditions that iptables made and nft cannot show ("xt") are conditions like any other. */
function conditionsOf({ expr }: NftRule): NftRule["expr"] {
  return expr.filter((part) => "match" in part || ("xt" in part && !isTarget(part["xt"])));
}

function isTarget(xt: unknown): boolean {
  return (xt as { type?: string } | null)?.type === "target";
}

function namesPods(match: unknown, { links, pods }: Pods): boolean {
  const { op, left, right } = (match ?? {}) as { op?: string; left?: Left; right?: unknown };
  if (op !== "==" && op !== "in") return false;
  const key = left?.meta?.key ?? "";
  if (key === "iifname" || key === "oifname") return namesOf(right).some((name) => meansLink(name, links));
  const field = left?.payload?.field ?? "";
  if (field !== "saddr" && field !== "daddr") return false;
  return namesOf(right).some((name) => namesAddress(name, pods));
}

interface Left {
  readonly meta?: { readonly key?: string };
  readonly payload?: { readonly field?: string };
}

/** The values of a right side: one, or a set of several; prefixes as text. */
function namesOf(right: unknown): string[] {
  if (typeof right === "string") return [right];
  const { set, prefix } = (right ?? {}) as { set?: unknown[]; prefix?: { addr: string; len: number } };
  if (prefix !== undefined) return [`${prefix.addr}/${prefix.len}`];
  return set?.flatMap(namesOf) ?? [];
}

/** Whether a rule's prefix has all of one of pods' in it, or its address is one of theirs. */
export function namesAddress(text: string, pods: readonly Prefix[]): boolean {
  const prefix = parsePrefix(text);
  if (prefix !== undefined) return pods.some((pod) => prefixCovers(prefix, pod));
  const ip = parseIp(text);
  return ip !== undefined && pods.some((pod) => prefixContains(pod, ip));
}
