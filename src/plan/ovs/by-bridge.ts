// Objects of Open vSwitch by the bridge that they are on.
import type { BridgeName } from "../plan.ts";

export function byBridge<T extends BridgeName>(objects: readonly T[]): Map<BridgeName, T[]> {
  const groups = new Map<string, [BridgeName, T[]]>();
  for (const object of objects) {
    const { database, bridge } = object;
    const key = `${database} ${bridge}`;
    const group = groups.get(key) ?? [{ database, bridge }, []];
    group[1].push(object);
    groups.set(key, group);
  }
  return new Map(groups.values());
}
