// An overlay's peers in nftables: sets of the prefixes of their pods, which masquerading leaves alone, and a filter that
// lets tunnel packets in from peers only, because neither vxlan nor geneve knows who sent them. One element per peer:
// a rule per peer would cost every packet.
import type { Kernel } from "../linux/kernel.ts";
import { nftApply, nftFamilies, nftRefused, nftTable } from "../linux/nft.ts";
import { elementsOf, elementText, type NftElement, type NftObject } from "../linux/nft-listing.ts";
import type { Fault } from "./fault.ts";
import { ownLinks } from "./own.ts";
import type { PeerSets } from "./plan.ts";

const table = "inet podwire";
const chain = "tunnels";

/** Of the prefixes of a family; masquerading refers to it. */
export function prefixSet(family: number): string {
  return `peers${family}`;
}

function addressSet(family: number): string {
  return `tunnels${family}`;
}

/** Lines that make the sets of prefixes, if they are not there. */
export function prefixSetLines(): string[] {
  return nftFamilies.map(
    ({ number, type }) => `add set ${table} ${prefixSet(number)} { type ${type}; flags interval; }`,
  );
}

/** What the kernel has. */
export interface PeerSetsState {
  /** Names of sets and chains in podwire's table; undefined if there is no table. */
  readonly names: ReadonlySet<string> | undefined;
  readonly prefixes: ReadonlySet<string>;
  readonly addresses: ReadonlySet<string>;
  /** undefined without a filter. */
  readonly filter: FilteredTunnel | "changed" | "misplaced" | undefined;
}

/** What tunnel packets look like. */
interface FilteredTunnel {
  readonly port: number;
  readonly id: number;
}

export async function readPeerSets(kernel: Kernel): Promise<PeerSetsState> {
  const objects = await nftTable("podwire", kernel);
  return {
    names: objects && new Set(objects.flatMap(nameOf)),
    prefixes: textsOf(objects ?? [], prefixSet),
    addresses: textsOf(objects ?? [], addressSet),
    filter: filterOf(objects ?? []),
  };
}

/**
 * Makes the kernel's sets and filter those of `wanted`; returns whether something had to be changed. To ports that are `closed` nobody
 * gets through: of tunnels that are not wanted any more, but are still there.
 */
export async function replacePeerSets(
  wanted: PeerSets,
  kernel: Kernel,
  state?: PeerSetsState,
  closed: readonly number[] = [],
): Promise<boolean> {
  return runLines(changingLines(wanted, state ?? (await readPeerSets(kernel)), closed), kernel);
}

/** To be called once the tunnels are gone whose ports were `closed`. */
export async function openPorts(wanted: PeerSets, kernel: Kernel): Promise<void> {
  await runLines(changingLines(wanted, { ...stateAfter(wanted), filter: "changed" }, []), kernel);
}

/** What the kernel has when it has all of `applied`. */
export function stateAfter({ prefixes, filter }: PeerSets): PeerSetsState {
  const sets = nftFamilies.flatMap(({ number }) => [prefixSet(number), addressSet(number)]);
  return {
    names: new Set([...sets, chain]),
    prefixes: new Set(prefixes),
    addresses: new Set(filter?.addresses),
    filter,
  };
}

/** Takes away what no network's masquerading needs any more. `state`: as it was read last. */
export async function removePeerSets(state: PeerSetsState, kernel: Kernel): Promise<boolean> {
  const lines = removingLines(state);
  if (lines.length === 0) return false;
  const refusal = await nftApply(`${lines.join("\n")}\n`, kernel);
  if (refusal === undefined) return true;
  // An ADD may have begun to masquerade since: it takes no lock.
  const since = await readPeerSets(kernel);
  if (removingLines(since).join() === lines.join()) throw nftRefused("sets of peers", refusal);
  return removePeerSets(since, kernel);
}

/**
 * nft deletes a table with all that is in it. Masquerading refers to both sets of prefixes, so that their deletion, and the table's
 * with it, is refused while there is some.
 */
function removingLines({ names, prefixes }: PeerSetsState): string[] {
  if (names === undefined) return [];
  const filter = [chain, ...nftFamilies.map(({ number }) => addressSet(number))].filter((name) =>
    names.has(name),
  );
  const sets = nftFamilies.map(({ number }) => prefixSet(number));
  const deletion = (name: string) => `delete ${name === chain ? "chain" : "set"} ${table} ${name}`;
  const isInUse = [...names].some((name) => name.startsWith("masquerade-"));
  if (isInUse) {
    if (filter.length === 0 && prefixes.size === 0) return [];
    const flushed = sets.filter((name) => names.has(name)).map((name) => `flush set ${table} ${name}`);
    return [...filter.map(deletion), ...flushed];
  }
  const own = new Set([...filter, ...sets]);
  const isAlone = [...names].every((name) => own.has(name));
  return [
    ...prefixSetLines(),
    ...[...filter, ...sets].map(deletion),
    ...(isAlone ? [`delete table ${table}`] : []),
  ];
}

export function peerSetsFault(wanted: PeerSets, state: PeerSetsState | undefined): Fault | undefined {
  if (state === undefined) return { expected: "sets of peers in table podwire", found: "none" };
  const [filter, found] = [describeFilter(wanted.filter), describeFilter(state.filter)];
  if (filter !== found) return { expected: filter, found };
  return (
    difference(wanted.filter?.addresses ?? [], state.addresses, "may send") ??
    difference(wanted.prefixes, state.prefixes, "are without masquerading")
  );
}

function difference(wanted: readonly string[], found: ReadonlySet<string>, what: string): Fault | undefined {
  const missing = wanted.find((element) => !found.has(element));
  if (missing !== undefined)
    return { expected: `${missing} among those that ${what}`, found: "not in the set" };
  if (found.size === new Set(wanted).size) return undefined;
  const names = new Set(wanted);
  const stray = [...found].find((element) => !names.has(element));
  return { expected: `only peers among those that ${what}`, found: `${stray}` };
}

function changingLines(wanted: PeerSets, state: PeerSetsState, closed: readonly number[]): string[] {
  return [
    ...filterLines(wanted.filter, state, closed),
    ...elementChanges(wanted.prefixes, state.prefixes, prefixSet),
    ...elementChanges(wanted.filter?.addresses ?? [], state.addresses, addressSet),
  ];
}

function filterLines(
  filter: PeerSets["filter"],
  { names, filter: found }: PeerSetsState,
  closed: readonly number[],
): string[] {
  const has = (name: string) => names?.has(name) === true;
  const sets = nftFamilies.flatMap(({ number, type }) => [
    ...(has(prefixSet(number)) ? [] : prefixSetLines().filter((line) => line.includes(prefixSet(number)))),
    ...(has(addressSet(number)) ? [] : [`add set ${table} ${addressSet(number)} { type ${type}; }`]),
  ]);
  const missing = [...(names === undefined ? [`add table ${table}`] : []), ...sets];
  const dropping = (condition: string) => `add rule ${table} ${chain} udp dport ${condition} drop`;
  const closing = closed.map((port) => dropping(String(port)));
  if (describeFilter(found) === describeFilter(filter) && closed.length === 0) return missing;
  return [
    ...missing,
    // Its place is for good.
    ...(found === "misplaced" ? [`delete chain ${table} ${chain}`] : []),
    `add chain ${table} ${chain} { type filter hook input priority filter; }`,
    `flush chain ${table} ${chain}`,
    ...closing,
    ...(filter === undefined ? [] : peersOnly(filter).map(dropping)),
  ];
}

/** Pods may have a veth pair to the host, and write any source address. */
const podLinks = `${ownLinks}*`;

function peersOnly({ port, id }: FilteredTunnel): string[] {
  return [
    `${port} iifname "${podLinks}"`,
    ...nftFamilies.map(({ number, keyword }) => `${port} ${keyword} saddr != @${addressSet(number)}`),
    // Both headers have the VNI in the three bytes that begin four bytes after the UDP header.
    `${port} @th,96,24 != ${id}`,
  ];
}

function describeFilter(filter: PeerSetsState["filter"]): string {
  if (filter === undefined) return "no filter";
  if (filter === "misplaced") return "a filter with another priority";
  return filter === "changed"
    ? "a filter that was changed"
    : `a filter of port ${filter.port} and VNI ${filter.id}`;
}

function elementChanges(
  wanted: readonly string[],
  found: ReadonlySet<string>,
  nameOfSet: (family: number) => string,
): string[] {
  const names = new Set(wanted);
  const change = (verb: string, elements: readonly string[]) =>
    nftFamilies.flatMap(({ number }) => {
      const own = elements.filter((element) => element.includes(":") === (number === 6));
      return own.length === 0 ? [] : [`${verb} element ${table} ${nameOfSet(number)} { ${own.join(", ")} }`];
    });
  return [
    ...change(
      "delete",
      [...found].filter((element) => !names.has(element)),
    ),
    ...change(
      "add",
      [...names].filter((element) => !found.has(element)),
    ),
  ];
}

async function runLines(lines: readonly string[], kernel: Kernel): Promise<boolean> {
  if (lines.length === 0) return false;
  const refusal = await nftApply(`${lines.join("\n")}\n`, kernel);
  if (refusal !== undefined) throw nftRefused("sets of peers", refusal);
  return true;
}

function nameOf({ set, chain: own }: NftObject): string[] {
  const named = set ?? own;
  return named === undefined ? [] : [named.name];
}

function textsOf(objects: readonly NftObject[], nameOfSet: (family: number) => string): Set<string> {
  return new Set(
    nftFamilies.flatMap(({ number }) =>
      elementsOf(objects, nameOfSet(number)).map((element) =>
        textOf(element, number, nameOfSet === prefixSet),
      ),
    ),
  );
}

/** nft lists a prefix of one address as that address. */
function textOf(element: NftElement, family: number, isPrefix: boolean): string {
  const text = elementText(element);
  return isPrefix && typeof element === "string" ? `${text}/${family === 4 ? 32 : 128}` : text;
}

/** undefined unless the chain is hooked in and has the rules that this version makes. */
function filterOf(objects: readonly NftObject[]): PeerSetsState["filter"] {
  const place = objects.find(({ chain: found }) => found?.name === chain)?.chain;
  if (place?.hook !== undefined && (place.hook !== "input" || place.prio !== 0)) return "misplaced";
  const rules = objects.flatMap(({ rule }) => (rule?.chain === chain ? rule : []));
  if (place?.hook === undefined || rules.length === 0) return undefined;
  const texts = rules.map((rule) => JSON.stringify(rule.expr));
  const ports = texts.map((text) => /"dport"\}\},"right":([0-9]+)/.exec(text)?.[1]);
  const id = /"offset":96,"len":24\}\},"right":([0-9]+)/.exec(texts.at(-1) ?? "")?.[1];
  const words = [`"${podLinks}"`, ...nftFamilies.map(({ number }) => `"@${addressSet(number)}"`), ""];
  const isWhole =
    rules.length === words.length &&
    words.every((word, index) => texts[index]?.includes(word) && texts[index]?.includes('"drop":null'));
  const port = ports[0];
  if (!isWhole || port === undefined || id === undefined || ports.some((other) => other !== port))
    return "changed";
  return { port: Number(port), id: Number(id) };
}
