// Masquerading in nftables: one table for podwire, and in it per network a chain, a set of its pods'
// addresses and a set of the prefixes that are reached without NAT. Adding a pod is one element: 3 ms,
// where touching a rule or an interval set waits 15 ms for a grace period of the kernel. So the
// first attempt only asks whether the rest is there.

import { covers, mergeIntervals, parseInterval } from "../address/interval.ts";
import type { Kernel } from "../linux/kernel.ts";
import { isNftGone, nftApply, nftFamilies, nftRefused, nftTable } from "../linux/nft.ts";
import { elementsOf, elementText, mappedTo, type NftObject } from "../linux/nft-listing.ts";
import { prefixSet, prefixSetLines } from "./peer-sets.ts";
import type { Hairpin, Masquerade } from "./plan.ts";

const table = "podwire";
/** Multicast and link-local traffic is never masqueraded. */
const alwaysDirect = ["224.0.0.0/4", "ff00::/8", "fe80::/10"];

export async function applyMasquerade(wanted: Masquerade, kernel: Kernel): Promise<void> {
  if ((await nftApply(addingScript(wanted), kernel)) === undefined) return;
  await remakeMasquerade(wanted, kernel);
}

/** The chains with all of their rules, too, whatever is in them. */
export async function remakeMasquerade(wanted: Masquerade, kernel: Kernel): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const refusal = await nftApply(makingScript(wanted, await formerSources(wanted, kernel)), kernel);
    if (refusal === undefined) return;
    // Another call may have been faster to replace a source.
    if (wanted.hairpin === undefined || attempt === attempts) {
      throw nftRefused(`masquerading for network ${wanted.network}`, refusal);
    }
  }
}

const attempts = 3;

/** What the link's entries have to make room for: nft replaces none. */
async function formerSources({ network, hairpin }: Masquerade, kernel: Kernel): Promise<Hairpin | undefined> {
  if (hairpin === undefined) return undefined;
  const { link, sources: wanted } = hairpin;
  const sources = (await readMasquerades(kernel))(network).hairpinSources(link);
  return { link, sources: sources.filter((source) => !wanted.includes(source)) };
}

/** Takes pods' addresses out; the network's chain and sets stay for the others. */
export async function removeMasquerade(
  network: string,
  sources: readonly string[],
  kernel: Kernel,
): Promise<void> {
  // Deleting an element that is not there is an error; adding one that is there is not.
  const script =
    elementLines("add", network, "pods", sources) + elementLines("delete", network, "pods", sources);
  const refusal = await nftApply(script, kernel);
  if (refusal !== undefined && !isNftGone(refusal)) {
    throw nftRefused(`masquerading for network ${network}`, refusal);
  }
}

/** Whether the kernel has prefixes that are not among `direct`. */
export function hasStaleDirect(state: MasqueradeState, direct: readonly string[]): boolean {
  const intervalsOf = (texts: Iterable<string>) => [...texts].flatMap((text) => parseInterval(text) ?? []);
  const wanted = mergeIntervals(intervalsOf([...direct, ...alwaysDirect]));
  return intervalsOf(state.direct).some((interval) => !covers(wanted, interval));
}

/** Forgets prefixes that the network has no longer. */
export async function replaceDirect(
  network: string,
  direct: readonly string[],
  kernel: Kernel,
): Promise<void> {
  const flushing = nftFamilies.map(
    ({ number }) => `flush set inet ${table} ${setName(network, "direct", number)}\n`,
  );
  const script = flushing.join("") + elementLines("add", network, "direct", [...direct, ...alwaysDirect]);
  const refusal = await nftApply(script, kernel);
  if (refusal !== undefined && !isNftGone(refusal)) {
    throw nftRefused(`masquerading for network ${network}`, refusal);
  }
}

/** Takes away all that is there for a network without attachments. */
export async function removeNetworkMasquerade(network: string, kernel: Kernel): Promise<void> {
  const script = [
    `delete chain inet ${table} ${chainName(network)}`,
    // A podwire before this one made none, and deleting what is not there is an error.
    `add chain inet ${table} ${hairpinChain(network)}`,
    `delete chain inet ${table} ${hairpinChain(network)}`,
    `add set inet ${table} ${shortcutSet(network)} { type ifname; }`,
    `delete set inet ${table} ${shortcutSet(network)}`,
    ...nftFamilies.flatMap(({ number, type }) => [
      `add map inet ${table} ${hairpinMap(network, number)} { type ifname : ${type}; }`,
      `delete map inet ${table} ${hairpinMap(network, number)}`,
    ]),
    ...nftFamilies.flatMap(({ number }) => [
      `delete set inet ${table} ${setName(network, "pods", number)}`,
      `delete set inet ${table} ${setName(network, "direct", number)}`,
    ]),
  ];
  const refusal = await nftApply(`${script.join("\n")}\n`, kernel);
  if (refusal !== undefined && !isNftGone(refusal)) {
    throw nftRefused(`masquerading for network ${network}`, refusal);
  }
}

/** What the kernel has for a network. */
export interface MasqueradeState {
  /** Whether the chain is hooked in and has its masquerading rules for each family. */
  readonly active: boolean;
  readonly sources: ReadonlySet<string>;
  /** As nft lists them: it merges prefixes that touch. */
  readonly direct: ReadonlySet<string>;
  /** Links by which answers come past the host; none if the chain for them is not as it was made. */
  readonly shortcuts: ReadonlySet<string>;
  /** Whether the chain has its rules for `hairpinSources`. */
  readonly hasHairpinSources: boolean;
  /** As whom the host speaks to pods by a shortcut. */
  hairpinSources(link: string): readonly string[];
}

export type MasqueradeReader = (network: string) => MasqueradeState;

/** One listing serves all networks. */
export async function readMasquerades(kernel: Kernel): Promise<MasqueradeReader> {
  const objects = (await nftTable(table, kernel)) ?? [];
  return (network) => {
    const elements = (role: SetRole) =>
      new Set(
        nftFamilies.flatMap(({ number }) =>
          elementsOf(objects, setName(network, role, number)).map(elementText),
        ),
      );
    const isWhole = (chain: string, rules: number, statement = "masquerade") =>
      objects.filter(({ rule }) => rule?.chain === chain && rule.expr.some((part) => statement in part))
        .length === rules && objects.some((object) => isHookedIn(object, chain));
    // Of each family to pods of this node and to those of others.
    const hasHairpins = isWhole(hairpinChain(network), 2 * nftFamilies.length);
    return {
      active: isWhole(chainName(network), nftFamilies.length),
      sources: elements("pods"),
      direct: elements("direct"),
      shortcuts: new Set(hasHairpins ? elementsOf(objects, shortcutSet(network)).map(elementText) : []),
      hasHairpinSources: isWhole(hairpinChain(network), 2 * nftFamilies.length, "snat"),
      hairpinSources: (link) =>
        nftFamilies.flatMap(({ number }) => mappedTo(objects, hairpinMap(network, number), link) ?? []),
    };
  };
}

type SetRole = "pods" | "direct";

function chainName(network: string): string {
  return `masquerade-${network}`;
}

/** Links by which pods, also of other nodes, answer past the host, and so past its translation of a Service's address. */
function shortcutSet(network: string): string {
  return `shortcuts-${network}`;
}

/** Addresses by links. */
function hairpinMap(network: string, family: number): string {
  return `hairpin${family}-${network}`;
}

/** Of its own: CHECK of pods that an earlier podwire added must still find what it knows. */
function hairpinChain(network: string): string {
  return `hairpin-${network}`;
}

function setName(network: string, role: SetRole, family: number): string {
  return `${role}${family}-${network}`;
}

/**
 * Fails unless the network's chain and prefixes are there. Those of `alwaysDirect` came with them, and nft 1.0.6 does not find
 * prefixes that end where the address space does.
 */
function addingScript({ network, sources, direct, shortcuts, hairpin }: Masquerade): string {
  const chains = [chainName(network), hairpinChain(network)]
    .map((chain) => `list chain inet ${table} ${chain}\n`)
    .join("");
  return (
    chains +
    elementLines("get", network, "direct", direct) +
    shortcutLines(network, shortcuts) +
    hairpinLines("add", network, hairpin) +
    elementLines("add", network, "pods", sources)
  );
}

function makingScript(
  { network, sources, direct, shortcuts, hairpin: wanted }: Masquerade,
  former: Hairpin | undefined,
): string {
  const chain = `inet ${table} ${chainName(network)}`;
  const lines = [`add table inet ${table}`, ...prefixSetLines()];
  for (const { number, type } of nftFamilies) {
    lines.push(
      `add set inet ${table} ${setName(network, "pods", number)} { type ${type}; }`,
      `add set inet ${table} ${setName(network, "direct", number)} { type ${type}; flags interval; auto-merge; }`,
    );
  }
  lines.push(`add set inet ${table} ${shortcutSet(network)} { type ifname; }`);
  for (const { number, type } of nftFamilies) {
    lines.push(`add map inet ${table} ${hairpinMap(network, number)} { type ifname : ${type}; }`);
  }
  const hairpin = `inet ${table} ${hairpinChain(network)}`;
  for (const each of [chain, hairpin]) {
    lines.push(`add chain ${each} { type nat hook postrouting priority srcnat; }`, `flush chain ${each}`);
  }
  for (const { number, keyword } of nftFamilies) {
    const pods = `@${setName(network, "pods", number)}`;
    const direct = `@${setName(network, "direct", number)}`;
    const peers = `@${prefixSet(number)}`;
    lines.push(
      `add rule ${chain} ${keyword} saddr ${pods} ${keyword} daddr != ${pods} ` +
        `${keyword} daddr != ${direct} ${keyword} daddr != ${peers} masquerade fully-random`,
      ...[pods, peers].flatMap((answering) => {
        const rule =
          `add rule ${hairpin} oifname @${shortcutSet(network)} ${keyword} saddr ${pods} ${keyword} daddr ${answering} ` +
          "ct status dnat";
        // A link that is not in the map goes on to the next rule.
        const source = `snat ${keyword} to oifname map @${hairpinMap(network, number)}`;
        return [`${rule} ${source} fully-random`, `${rule} masquerade fully-random`];
      }),
    );
  }
  return (
    `${lines.join("\n")}\n` +
    elementLines("add", network, "direct", [...direct, ...alwaysDirect]) +
    shortcutLines(network, shortcuts) +
    hairpinLines("delete", network, former) +
    hairpinLines("add", network, wanted) +
    elementLines("add", network, "pods", sources)
  );
}

function hairpinLines(verb: "add" | "delete", network: string, hairpin?: Hairpin): string {
  const { link, sources } = hairpin ?? { link: "", sources: [] };
  return sources
    .map((source) => {
      const map = hairpinMap(network, source.includes(":") ? 6 : 4);
      return `${verb} element inet ${table} ${map} { "${link}" : ${source} }\n`;
    })
    .join("");
}

function shortcutLines(network: string, shortcuts: readonly string[] = []): string {
  return shortcuts
    .map((link) => `add element inet ${table} ${shortcutSet(network)} { "${link}" }\n`)
    .join("");
}

/** Each element once: nft 1.0.6 fails on repetitions in one transaction. */
function elementLines(verb: string, network: string, role: SetRole, elements: readonly string[]): string {
  const lines = [...new Set(elements)].map((element) => {
    const family = element.includes(":") ? 6 : 4;
    return `${verb} element inet ${table} ${setName(network, role, family)} { ${element} }\n`;
  });
  return lines.join("");
}

function isHookedIn({ chain }: NftObject, name: string): boolean {
  return chain?.name === name && chain.type === "nat" && chain.hook === "postrouting";
}
