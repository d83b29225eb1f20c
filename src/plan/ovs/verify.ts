// Compares what a plan has in Open vSwitch with what is there. Pure.
import { type Fault, unequal } from "../fault.ts";
import type { OvsFlows, OvsPort } from "../plan.ts";
import { flowKey, type OvsObject, portVlanMode, spanningTree, trunksOf, tunnelOptions } from "./lines.ts";
import type { ObservedOvs, ObservedPort } from "./observe.ts";

export function ovsFault(object: OvsObject, observed: ObservedOvs): Fault | undefined {
  if (observed.down !== undefined) return { expected: "Open vSwitch to answer", found: observed.down };
  switch (object.kind) {
    case "ovs-bridge": {
      const bridge = observed.bridge(object);
      if (bridge === undefined) return { expected: "a bridge", found: "no such bridge" };
      return unequal(`datapath_type ${object.datapathType}`, `datapath_type ${bridge.datapathType}`);
    }
    case "ovs-port":
      return portFault(object, observed);
    case "ovs-flows":
      return flowsFault(object, observed);
  }
}

function portFault(wanted: OvsPort, observed: ObservedOvs): Fault | undefined {
  const port = observed.port(wanted, wanted.name);
  if (port === undefined) return { expected: "a port", found: "no such port" };
  if (port.error !== "") return { expected: "a working port", found: port.error };
  return (
    unequal(`bridge ${wanted.bridge}`, `bridge ${port.bridge ?? "unknown"}`) ??
    (port.number === undefined || port.number < 0
      ? { expected: "an OpenFlow port", found: "none" }
      : undefined) ??
    unequal(`type ${wanted.type.kind}`, `type ${port.type}`) ??
    deviceFault(wanted, port) ??
    unequal("tag none", `tag ${port.vlan ?? "none"}`) ??
    unequal(`trunks ${sorted(trunksOf(wanted))}`, `trunks ${sorted(port.trunk)}`) ??
    unequal(`vlan_mode ${portVlanMode}`, `vlan_mode ${port.vlanMode ?? "none"}`) ??
    unequal(`ingress rate ${wanted.ingress?.rate ?? 0}`, `ingress rate ${port.rate}`) ??
    unequal(`ingress burst ${wanted.ingress?.burst ?? 0}`, `ingress burst ${port.burst}`) ??
    entryFault("other_config", spanningTree, port.settings) ??
    entryFault("external_ids", wanted.externalIds, port.labels)
  );
}

/** Others may have their own beside them. */
function entryFault(
  column: string,
  wanted: Readonly<Record<string, string>>,
  found: ReadonlyMap<string, string>,
): Fault | undefined {
  const [key, value] = Object.entries(wanted).find(([name, text]) => found.get(name) !== text) ?? [];
  if (key === undefined) return undefined;
  return { expected: `${column}:${key}=${value}`, found: found.get(key) ?? "none" };
}

function deviceFault({ type }: OvsPort, { mtu, options }: ObservedPort): Fault | undefined {
  if (type.kind === "internal") return unequal(`mtu_request ${type.mtu}`, `mtu_request ${mtu ?? "none"}`);
  if (type.kind === "system") return undefined;
  return unequal(describeOptions(tunnelOptions(type)), describeOptions(Object.fromEntries(options)));
}

function describeOptions(options: Readonly<Record<string, string>>): string {
  return Object.keys(options)
    .sort()
    .map((key) => `${key}=${options[key]}`)
    .join(" ");
}

function sorted(numbers: readonly number[]): string {
  return numbers.length === 0 ? "none" : numbers.toSorted((a, b) => a - b).join(",");
}

function flowsFault({ cookie, flows, ...at }: OvsFlows, observed: ObservedOvs): Fault | undefined {
  const present = new Set(observed.flows(at, cookie).map(flowKey));
  const keys = flows.map(flowKey);
  const wanted = new Set(keys);
  const missing = keys.filter((flow) => !present.has(flow));
  const foreign = [...present].filter((flow) => !wanted.has(flow));
  if (missing.length === 0 && foreign.length === 0) return undefined;
  return {
    expected: missing[0] ?? `${keys.length} flows`,
    found:
      missing.length === 0 ? `also ${foreign[0]}` : (foreign[0] ?? `${present.size} of ${keys.length} flows`),
  };
}
