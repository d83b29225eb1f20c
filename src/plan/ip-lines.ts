// Plan objects as lines for `ip -batch`. All words come from checked values, so nothing needs quoting.
import { podNetnsPath } from "../linux/enter.ts";
import type { Address, Link, Neighbour, PlanObject, Route } from "./plan.ts";

/** Number of podwire's routes (rtm_protocol; 119 is "w" and nobody else's in iproute2's rt_protos). */
const routeProtocol = 119;

export type IpObject = Link | Address | Route | Neighbour;

export function isIpObject(object: PlanObject): object is IpObject {
  return ["link", "address", "route", "neighbour"].includes(object.kind);
}

/** Lines that make the object. */
export function makingLines(object: IpObject): string[] {
  switch (object.kind) {
    case "link":
      return linkLines(object);
    case "address": {
      const scope = object.scope === undefined ? "" : ` scope ${object.scope}`;
      const flags = object.address.includes(":") ? " nodad" : "";
      return [`address add ${object.address} dev ${object.link}${scope}${flags}`];
    }
    case "route":
      return [routeLine(object)];
    case "neighbour":
      return [`neighbour replace ${object.address} lladdr ${object.mac} dev ${object.link} nud permanent`];
  }
}

/** Lines that remove the object. Only links need any: what is on a link goes with it. */
export function removingLines(object: IpObject): string[] {
  return object.kind === "link" && object.type.makesPair ? [`link delete dev ${object.name}`] : [];
}

function linkLines(link: Link): string[] {
  const alias = link.alias === undefined ? "" : ` alias ${link.alias}`;
  const addresses = link.noAutomaticAddress ? " addrgenmode none" : "";
  const set = `link set dev ${link.name}${alias}${addresses} up`;
  return link.type.makesPair ? [vethLine(link), set] : [set];
}

function vethLine(link: Link): string {
  const { peer } = link.type;
  const mtu = link.mtu === undefined ? "" : ` mtu ${link.mtu}`;
  const mac = link.mac === undefined ? "" : ` address ${link.mac}`;
  return `link add ${link.name}${mtu}${mac} type veth peer name ${peer.name} mtu ${peer.mtu} address ${peer.mac} netns ${podNetnsPath}`;
}

function routeLine(route: Route): string {
  const words = [`route add ${route.dst}`];
  if (route.gateway !== undefined) words.push(`via ${route.gateway}`);
  words.push(`dev ${route.link} proto ${routeProtocol}`);
  if (route.gateway !== undefined) words.push("onlink");
  if (route.scope !== undefined) words.push(`scope ${route.scope}`);
  if (route.table !== undefined) words.push(`table ${route.table}`);
  if (route.priority !== undefined) words.push(`metric ${route.priority}`);
  if (route.mtu !== undefined) words.push(`mtu ${route.mtu}`);
  if (route.advmss !== undefined) words.push(`advmss ${route.advmss}`);
  return words.join(" ");
}
