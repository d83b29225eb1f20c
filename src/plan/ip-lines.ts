// Plan objects as lines for `ip -batch`. All words come from checked values, so nothing needs quoting.
import { minMtuIpv6 } from "../address/ip.ts";
import { podNetnsPath } from "../linux/enter.ts";
import type { Address, Encap, Ipvlan, Link, Neighbour, PlanObject, Route, Tunnel, VethEnd } from "./plan.ts";

/** Number of podwire's routes (rtm_protocol; 119 is "w" and nobody else's in iproute2's rt_protos). */
export const routeProtocol = 119;
/** Of routes to other nodes' pods: a number of their own, so that stale ones are found without any record. */
export const peerRouteProtocol = 120;

export type IpObject = Link | Address | Route | Neighbour;

export function isIpObject(object: PlanObject): object is IpObject {
  return ["link", "address", "route", "neighbour"].includes(object.kind);
}

/** The link that the object is, or is on. */
export function linkOf(object: IpObject): string {
  return object.kind === "link" ? object.name : object.link;
}

/** Lines that make the object. */
export function makingLines(object: IpObject): string[] {
  switch (object.kind) {
    case "link":
      return linkLines(object);
    case "address": {
      const scope = object.scope === undefined ? "" : ` scope ${object.scope}`;
      const flags = object.address.includes(":") && !object.announced ? " nodad" : "";
      // The host's may be on a link that others use too.
      const verb = object.where === "host" ? "replace" : "add";
      return [`address ${verb} ${object.address} dev ${object.link}${scope}${flags}`];
    }
    case "route":
      return [routeLine(object)];
    case "neighbour":
      return [`neighbour replace ${object.address} lladdr ${object.mac} dev ${object.link} nud permanent`];
  }
}

/** Lines that put right what there is of the object, or make it if it stands on a link. */
export function mendingLines(object: IpObject): string[] {
  switch (object.kind) {
    case "link": {
      const mode = modeLines(object);
      // The MAC of a bridge's port is Open vSwitch's to say.
      if (object.shared) return [...mode, ...upLines(object)];
      const mac = object.mac === undefined ? "" : ` address ${object.mac}`;
      const mtu = object.mtu === undefined ? "" : ` mtu ${object.mtu}`;
      return [...mode, `link set dev ${object.name}${mac}${mtu} up`];
    }
    case "address":
      return makingLines({ ...object, where: "host" });
    case "route":
      return [routeLine(object, "replace")];
    case "neighbour":
      return makingLines(object);
  }
}

/**
 * Lines that remove the object by itself. Few need any: what is on a link goes with it. Links in a pod are
 * found by their alias instead.
 */
export function removingLines(object: IpObject): string[] {
  return object.kind === "link" && isOwnOfHost(object) ? [`link delete dev ${object.name}`] : [];
}

/** The first end of a pair, or what was not moved to the pod yet. Open vSwitch's go with their port. */
function isOwnOfHost({ where, shared, type }: Link): boolean {
  if (type.kind === "veth") return type.makesPair;
  return where === "host" && !shared && type.kind !== "ovs";
}

/** Lines that remove what stands on a link that stays. */
export function detachingLines(object: IpObject): string[] {
  if (object.kind === "route") {
    const metric = object.priority === undefined ? "" : ` metric ${object.priority}`;
    return [`route delete ${object.dst} dev ${object.link} proto ${routeProtocol}${metric}`];
  }
  if (object.kind === "neighbour") return [forgettingLine(object.address, object.link)];
  return [];
}

/** To delete one that is not there, or where IPv6 is off, makes iproute2 give up a whole batch, even with -force. */
export function forgettingLine(address: string, link: string): string {
  return `neighbour flush to ${address} dev ${link} nud permanent`;
}

function linkLines(link: Link): string[] {
  const { type } = link;
  switch (type.kind) {
    case "ipvlan":
      return ipvlanLines(link, type);
    case "veth":
      return type.makesPair ? [vethLine(link, type), ...upLines(link)] : upLines(link);
    case "vlan":
      return [`link add link ${type.master} name ${link.name} type vlan id ${type.id}`, ...upLines(link)];
    case "ovs":
      return type.movesToPodAs === undefined
        ? [...altNameLines(link), ...upLines(link)]
        : movingLines(link, type.movesToPodAs);
    case "tunnel":
      // One of stt is made by its settings.
      return type.driver === "stt" ? upLines(link) : [tunnelLine(link, type), ...upLines(link)];
  }
}

/** What makes a link usable that exists. */
export function upLines(link: Link): string[] {
  const alias = link.alias === undefined || link.where === "pod" ? "" : ` alias ${link.alias}`;
  const mtu = link.where === "pod" && link.type.kind === "ipvlan" && link.mtu ? ` mtu ${link.mtu}` : "";
  const up = `link set dev ${link.name}${alias}${mtu} up`;
  const hasMode = link.noAutomaticAddress && (link.mtu ?? minMtuIpv6) >= minMtuIpv6;
  // In one line the kernel brings the link up, and gives it an address, before it looks at the mode.
  return hasMode ? [`link set dev ${link.name} addrgenmode none`, up] : [up];
}

function vethLine(link: Link, { peer }: VethEnd): string {
  const mtu = link.mtu === undefined ? "" : ` mtu ${link.mtu}`;
  const mac = link.mac === undefined ? "" : ` address ${link.mac}`;
  return `link add ${link.name}${mtu}${mac} type veth peer name ${peer.name} mtu ${peer.mtu} address ${peer.mac} netns ${podNetnsPath}`;
}

/** The kernel refuses to make a link in the pod by a name that the host has too (eth0), so it is renamed on the way. */
function ipvlanLines(link: Link, type: Ipvlan): string[] {
  const { master, movesToPodAs } = type;
  const add = `link add link ${master} name ${link.name} ${ipvlanWords(type)}`;
  if (link.where === "pod") return upLines(link);
  if (movesToPodAs === undefined) return [add, ...upLines(link)];
  return [add, ...movingLines(link, movesToPodAs)];
}

/** Of its master, and so of all of the master's slaves. */
function modeLines({ name, type }: Link): string[] {
  return type.kind === "ipvlan" ? [`link set dev ${name} ${ipvlanWords(type)}`] : [];
}

function ipvlanWords({ mode, flag }: Ipvlan): string {
  return `type ipvlan mode ${mode} ${flag}`;
}

function altNameLines({ name, altName }: Link): string[] {
  return altName === undefined ? [] : [`link property add dev ${name} altname ${altName}`];
}

function movingLines(link: Link, podName: string): string[] {
  return [
    `link set dev ${link.name} alias ${link.alias}`,
    `link set dev ${link.name} netns ${podNetnsPath} name ${podName}`,
  ];
}

function tunnelLine(link: Link, { driver, port, sourcePorts }: Tunnel): string {
  const mtu = link.mtu === undefined ? "" : ` mtu ${link.mtu}`;
  const mac = link.mac === undefined ? "" : ` address ${link.mac}`;
  const range = sourcePorts === undefined ? "" : ` srcport ${sourcePorts[0]} ${sourcePorts[1]}`;
  return `link add ${link.name}${mtu}${mac} type ${driver} external dstport ${port}${range} udp6zerocsumrx`;
}

export function routeLine(route: Route, verb: "add" | "replace" | "delete" = "add"): string {
  if (route.isDeadEnd) {
    return `route ${verb} unreachable ${route.dst} proto ${route.protocol} metric ${route.priority}`;
  }
  const words = [`route ${verb} ${route.dst}`];
  if (route.encap !== undefined) words.push(encapWords(route.encap));
  if (route.gateway !== undefined) words.push(`via ${viaWords(route.dst, route.gateway)}`);
  words.push(`dev ${route.link} proto ${route.protocol ?? routeProtocol}`);
  if (route.gateway !== undefined) words.push("onlink");
  if (route.source !== undefined) words.push(`src ${route.source}`);
  if (route.scope !== undefined) words.push(`scope ${route.scope}`);
  if (route.table !== undefined) words.push(`table ${route.table}`);
  if (route.priority !== undefined) words.push(`metric ${route.priority}`);
  if (route.mtu !== undefined) words.push(`mtu ${route.mtuLocked ? "lock " : ""}${route.mtu}`);
  if (route.advmss !== undefined) words.push(`advmss ${route.advmss}`);
  return words.join(" ");
}

/** IPv4 packets may have a next hop that is known by an IPv6 address. */
function viaWords(dst: string, gateway: string): string {
  return gateway.includes(":") && !dst.includes(":") ? `inet6 ${gateway}` : gateway;
}

function encapWords({ id, local, remote, checksum, tos, ttl }: Encap): string {
  const isIpv6 = remote.includes(":");
  const words = [`encap ${isIpv6 ? "ip6" : "ip"} id ${id} src ${local} dst ${remote}`];
  // iproute2 reads it as hexadecimal, and writes it as decimal.
  if (tos !== undefined) words.push(`${isIpv6 ? "tc" : "tos"} 0x${tos.toString(16)}`);
  if (ttl !== undefined) words.push(`${isIpv6 ? "hoplimit" : "ttl"} ${ttl}`);
  if (checksum) words.push("csum");
  return words.join(" ");
}
