// Compares a plan with what the kernel has: this is CHECK, `podwire status` and reconciling. Pure.
import { type Fault, unequal } from "./fault.ts";
import { withGiven } from "./given.ts";
import { masqueradeFault } from "./masquerade-verify.ts";
import {
  describeIpvlan,
  isOnMaster,
  type Observed,
  type ObservedLink,
  type ObservedNeighbour,
} from "./observe.ts";
import { ovsFault } from "./ovs/verify.ts";
import { isSwitchKind } from "./own.ts";
import { peerSetsFault } from "./peer-sets.ts";
import {
  type Address,
  describeObject,
  type Ipvlan,
  type Link,
  movesToPod,
  type Neighbour,
  type Plan,
  type PlanObject,
  type Tunnel,
} from "./plan.ts";
import { routeFault } from "./routes-verify.ts";
import { sttFault } from "./stt.ts";

export interface Difference {
  readonly object: string;
  readonly expected: string;
  readonly found: string;
}

export function isAsPlanned(object: PlanObject, observed: Observed): boolean {
  return faultOf(object, observed) === undefined;
}

export function verify(plan: Plan, observed: Observed): Difference[] {
  return withGiven(plan, observed).flatMap((object) => {
    const fault = isYielding(object) ? undefined : faultOf(object, observed);
    return fault === undefined ? [] : [{ object: describeObject(object), ...fault }];
  });
}

export function isYielding(object: PlanObject): boolean {
  return object.kind === "sysctl" && object.yielding === true;
}

/** "link eth0 in the pod: expected mtu 1450, found mtu 1500" */
export function describeDifference({ object, expected, found }: Difference): string {
  return `${object}: expected ${expected}, found ${found}`;
}

function faultOf(object: PlanObject, observed: Observed): Fault | undefined {
  switch (object.kind) {
    case "link":
      return linkFault(object, observed);
    case "address":
      return addressFault(object, observed);
    case "route":
      return routeFault(object, observed.routes(object.where, object.link));
    case "neighbour":
      return neighbourFault(object, observed);
    case "sysctl":
      return unequal(object.value, observed.sysctl(object.where, object.key));
    case "masquerade":
      return masqueradeFault(object, observed.masquerade(object.network));
    case "ovs-bridge":
    case "ovs-port":
    case "ovs-flows":
      return ovsFault(object, observed.ovs);
    case "peer-sets":
      return peerSetsFault(object, observed.peerSets);
    case "stt-settings":
      return sttFault(object, observed.stts?.get(object.link));
  }
}

function linkFault(wanted: Link, observed: Observed): Fault | undefined {
  const link = observed.link(wanted.where, wanted.name);
  // It is the pod's by now, where it is verified.
  if (movesToPod(wanted)) return link && { expected: "no such link: it is the pod's", found: "one" };
  const kind = wanted.type.kind === "tunnel" ? wanted.type.driver : wanted.type.kind;
  if (link === undefined) return { expected: `a ${kind} link`, found: "no such link" };
  return (
    kindFault(kind, link.linkinfo?.info_kind) ??
    (wanted.type.kind === "tunnel" ? tunnelFault(wanted.type, link) : undefined) ??
    (wanted.type.kind === "ipvlan" ? ipvlanFault(wanted.type, link, observed) : undefined) ??
    (wanted.altName === undefined || link.altnames?.includes(wanted.altName)
      ? undefined
      : { expected: `altname ${wanted.altName}`, found: link.altnames?.join(", ") || "none" }) ??
    (wanted.mac === undefined ? undefined : unequal(`mac ${wanted.mac}`, `mac ${link.address}`)) ??
    (wanted.mtu === undefined ? undefined : unequal(`mtu ${wanted.mtu}`, `mtu ${link.mtu}`)) ??
    (link.flags.includes("UP") ? undefined : { expected: "up", found: "down" }) ??
    // A slave's carrier is its master's, and no fault of the pod's: podwire doctor tells of it.
    (kind !== "ipvlan" && link.flags.includes("NO-CARRIER")
      ? { expected: "a peer that is up", found: "no carrier" }
      : undefined)
  );
}

function kindFault(wanted: string, found: string | undefined): Fault | undefined {
  return wanted === "ovs" && isSwitchKind(found) ? undefined : unequal(wanted, found);
}

/** What cannot be changed of a link that exists. */
export function tunnelFault(wanted: Tunnel, { linkinfo }: ObservedLink): Fault | undefined {
  // iproute2 knows nothing of it but its kind (SttSettings).
  if (wanted.driver === "stt") return undefined;
  const { external, port, port_range, udp_zero_csum6_rx: takesUnchecked } = linkinfo?.info_data ?? {};
  const [low, high] = wanted.sourcePorts ?? [0, 0];
  return (
    unequal("external", external === true ? "external" : "for one peer") ??
    unequal(`port ${wanted.port}`, `port ${port}`) ??
    (wanted.driver === "vxlan"
      ? unequal(
          `source ports ${low}-${high}`,
          `source ports ${port_range?.low ?? 0}-${port_range?.high ?? 0}`,
        )
      : undefined) ??
    (wanted.takesUnchecked && takesUnchecked === false
      ? { expected: "udp6zerocsumrx", found: "noudp6zerocsumrx" }
      : undefined)
  );
}

function ipvlanFault(wanted: Ipvlan, link: ObservedLink, observed: Observed): Fault | undefined {
  const { mode, flag } = describeIpvlan(link.linkinfo?.info_data);
  return (
    unequal(`mode ${wanted.mode} ${wanted.flag}`, `mode ${mode} ${flag}`) ??
    (isOnMaster(link, wanted.master, observed.link("host", wanted.master))
      ? undefined
      : { expected: `master ${wanted.master}`, found: "another one" })
  );
}

function addressFault(wanted: Address, observed: Observed): Fault | undefined {
  const present = observed.link(wanted.where, wanted.link)?.addr_info ?? [];
  const texts = present.map((address) => `${address.local}/${address.prefixlen}`);
  if (texts.includes(wanted.address)) return undefined;
  return { expected: wanted.address, found: texts.join(", ") || "no addresses" };
}

function neighbourFault(wanted: Neighbour, observed: Observed): Fault | undefined {
  const entry = neighboursByAddress(observed.neighbours(wanted.where, wanted.link)).get(wanted.address);
  return unequal(wanted.mac, entry?.lladdr);
}

const indexed = new WeakMap<readonly ObservedNeighbour[], Map<string, ObservedNeighbour>>();

export function neighboursByAddress(
  neighbours: readonly ObservedNeighbour[],
): Map<string, ObservedNeighbour> {
  const known = indexed.get(neighbours) ?? new Map(neighbours.map((entry) => [entry.dst, entry]));
  indexed.set(neighbours, known);
  return known;
}
