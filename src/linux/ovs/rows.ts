// Rows of Open vSwitch's database, in OVSDB's notation (RFC 7047 section 5.1).

/** A row by its columns. */
export type Row = Readonly<Record<string, unknown>>;

/** A set of one is written as its member alone; members are plain or ["uuid", "…"]. */
export function membersOf(value: unknown): string[] {
  const isSet = Array.isArray(value) && value[0] === "set";
  const members = isSet ? (value[1] as unknown[]) : [value];
  return members.map((member) => String(Array.isArray(member) ? member[1] : member));
}

/** undefined for an empty set, which is how OVSDB says "none". */
export function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

export function numberOf(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}

/** Of the column _uuid. */
export function idOf(row: Row): string {
  return membersOf(row["_uuid"])[0] ?? "";
}

/** Of rows of the table Port those on the bridge, whose row has the column ports. */
export function portsOn(bridge: Row, ports: readonly Row[]): Row[] {
  const members = membersOf(bridge["ports"]);
  return ports.filter((port) => members.includes(idOf(port)));
}

export function labelOf(row: Row, key: string): string | undefined {
  return mapOf(row["external_ids"]).get(key);
}

/** ["map", [["key", "value"], …]] */
export function mapOf(value: unknown): ReadonlyMap<string, string> {
  const [, pairs] = value as [string, [string, string][]];
  return new Map(pairs);
}
