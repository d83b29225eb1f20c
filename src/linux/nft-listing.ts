// nft's JSON listing (libnftables-json(5)), as far as it is read here.
export interface NftObject {
  readonly chain?: NftChain;
  readonly rule?: NftRule;
  readonly set?: NftSet;
  readonly map?: NftMap;
}

export interface NftChain {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly type?: string;
  readonly hook?: string;
  readonly prio?: number;
  readonly policy?: string;
}

export interface NftRule {
  readonly family: string;
  readonly table: string;
  readonly chain: string;
  readonly handle?: number;
  readonly expr: readonly Readonly<Record<string, unknown>>[];
}

export interface NftSet {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly elem?: readonly NftElement[];
}

export interface NftMap {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly elem?: readonly (readonly [string, string])[];
}

export type NftElement =
  | string
  | { readonly prefix: { readonly addr: string; readonly len: number } }
  | { readonly range: readonly [string, string] };

export function elementsOf(objects: readonly NftObject[], set: string): readonly NftElement[] {
  return objects.find((object) => object.set?.name === set)?.set?.elem ?? [];
}

export function mappedTo(objects: readonly NftObject[], map: string, key: string): string | undefined {
  const entries = objects.find((object) => object.map?.name === map)?.map?.elem ?? [];
  return entries.find(([each]) => each === key)?.[1];
}

export function elementText(element: NftElement): string {
  if (typeof element === "string") return element;
  return "prefix" in element ? `${element.prefix.addr}/${element.prefix.len}` : element.range.join("-");
}

/** Jumps stay in the table of the chain that they begin in. */
export function rulesOf(base: NftChain, chain: string, rules: readonly NftRule[]): NftRule[] {
  return rules.filter(
    (rule) => rule.family === base.family && rule.table === base.table && rule.chain === chain,
  );
}
