// Who else has the UDP port of a tunnel that is to be made. Found out before anything is changed: the filter of peers would drop what
// others get by it, and the device of before is gone by the time that the kernel refuses the new one.
import type { CniError } from "../cni/error.ts";
import type { Kernel } from "../linux/kernel.ts";
import { isSwitchTunnel, ovsRowsIfUp } from "../linux/ovs/ovs.ts";
import { mapOf, type Row } from "../linux/ovs/rows.ts";
import { isUdpPortTaken } from "../linux/udp-port.ts";
import type { Scope } from "./changes.ts";
import { overlayUnusable } from "./fault.ts";
import type { ObservedLink } from "./observe.ts";
import type { ObservedHost } from "./observe-host.ts";
import type { OvsTunnel, Plan, PlanObject } from "./plan.ts";
import { isAsPlanned } from "./verify.ts";

interface WantedTunnel {
  readonly object: PlanObject;
  readonly driver: OvsTunnel["kind"];
  readonly port: number;
  /** How people know it. */
  readonly name: string;
}

/** Throws code 108 naming whoever has it. */
export async function refuseTakenPort(
  plan: Plan,
  scope: Scope,
  host: ObservedHost,
  kernel: Kernel,
): Promise<void> {
  const wanted = wantedTunnel(plan);
  if (wanted === undefined || isAsPlanned(wanted.object, host)) return;
  const holder = await holderOf(wanted, scope, host, kernel);
  if (holder !== undefined) throw taken(wanted, holder);
}

/** stt's port is its module's to give. */
function wantedTunnel(plan: Plan): WantedTunnel | undefined {
  for (const object of plan) {
    if (object.kind === "ovs-port" && "port" in object.type) {
      const { kind: driver, port } = object.type;
      return { object, driver, port, name: `port ${object.name} of bridge ${object.bridge}` };
    }
    if (object.kind !== "link" || object.type.kind !== "tunnel" || object.type.driver === "stt") continue;
    return { object, driver: object.type.driver, port: object.type.port, name: object.name };
  }
  return undefined;
}

async function holderOf(
  wanted: WantedTunnel,
  scope: Scope,
  host: ObservedHost,
  kernel: Kernel,
): Promise<string | undefined> {
  const { driver, port, object } = wanted;
  const links = host.links.filter((link) => isTunnelAt(link, port));
  const ofSwitch = links.find(({ ifname }) => isSwitchTunnel(ifname));
  if (object.kind === "ovs-port" || ofSwitch !== undefined) {
    // Open vSwitch would let its ports share the UDP port, and their packets would be filtered.
    const other = await otherPort(port, scope, kernel);
    if (other !== undefined) return other;
  }
  const others = links.filter(({ ifname }) => ifname !== ofSwitch?.ifname && !scope.devices.includes(ifname));
  const other = others.find((link) => excludes(link, driver));
  if (other !== undefined) return `the ${kindOf(other)} link ${other.ifname}`;
  const isOwn =
    ofSwitch !== undefined || links.some((link) => scope.devices.includes(link.ifname) && isUp(link));
  if (isOwn || !(await isUdpPortTaken(port))) return undefined;
  return (
    `another program, or a ${driver} link that was moved to another network namespace as Docker moves those of its ` +
    "overlay networks"
  );
}

function isTunnelAt(link: ObservedLink, port: number): boolean {
  return ["vxlan", "geneve"].includes(kindOf(link)) && link.linkinfo?.info_data?.port === port;
}

function kindOf({ linkinfo }: ObservedLink): string {
  return linkinfo?.info_kind ?? "";
}

function isUp({ flags }: ObservedLink): boolean {
  return flags.includes("UP");
}

/** A link that is down has no socket, but of two that take all packets of a port the kernel does not make the second one. */
function excludes(link: ObservedLink, driver: string): boolean {
  const takesAll = driver === "geneve" || link.linkinfo?.info_data?.external === true;
  return isUp(link) || (kindOf(link) === driver && takesAll);
}

/** IANA's numbers, which Open vSwitch takes for ports that say nothing. */
const defaultPorts: Readonly<Record<OvsTunnel["kind"], string>> = { vxlan: "4789", geneve: "6081" };

async function otherPort(
  port: number,
  { ports, databases }: Scope,
  kernel: Kernel,
): Promise<string | undefined> {
  const kinds = ["vxlan", "geneve"] as const;
  const questions = kinds.map((kind) => ["--columns=name,options", "find", "Interface", `type=${kind}`]);
  for (const database of databases) {
    const answers = await ovsRowsIfUp(database, questions, kernel);
    for (const [index, kind] of kinds.entries()) {
      const portOf = (row: Row) => mapOf(row["options"]).get("dst_port") ?? defaultPorts[kind];
      const other = answers[index]?.find(
        (row) => !ports.includes(String(row["name"])) && portOf(row) === String(port),
      );
      if (other !== undefined) return `the ${kind} port ${String(other["name"])} of Open vSwitch`;
    }
  }
  return undefined;
}

function taken({ port, name }: WantedTunnel, holder: string): CniError {
  return overlayUnusable(
    `UDP port ${port} is in use by ${holder}, so ${name} cannot have it. Set overlay.port to another one on all nodes, or ` +
      "remove what uses it",
  );
}
