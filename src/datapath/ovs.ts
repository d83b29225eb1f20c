// Open vSwitch: pods are ports of a bridge whose flows podwire owns. A pod has its address alone and one gateway, as
// with veth, so that pods of both reach each other; what is for a pod of the same bridge is handed to it by flow, past
// the host's stack, and all else goes to the host by the bridge's local port. Nothing is flooded, learnt or tracked.
import { formatIp, hostPrefix, type Prefix } from "../address/ip.ts";
import { hostSysctl } from "../plan/forwarding.ts";
import { bridgeObject, localPort } from "../plan/ovs/bridge.ts";
import { ownCookies, ownerKey } from "../plan/ovs/lines.ts";
import type {
  BridgeName,
  Link,
  OvsFlow,
  OvsFlows,
  OvsPort,
  PodObject,
  PodPlan,
  Route,
} from "../plan/plan.ts";
import type { AttachmentName, Datapath, OvsSettings, Wired, Wiring } from "./datapath.ts";
import { checkMtu, forwarding, gatewayAddresses, gatewayMac, masquerade } from "./host-side.ts";
import { attachmentLabel, cookieOf, derivedMac, hostLinkName, hostVlanName, linkAlias } from "./names.ts";
import { baseFlows, podFlows, trunkFlows } from "./ovs-flows.ts";
import { routedPodObjects } from "./pod-side.ts";
import { cannotWire, gateways, has, isOnLink, routesThrough, scopeLink, subnetOf } from "./routing.ts";
import { ownedBySwitch, pairTrace, vethPair } from "./veth-pair.ts";

export const ovs: Datapath = { wire, traces };

function wire(wiring: Wiring): Wired {
  const settings = settingsOf(wiring);
  const mac = wiring.mac?.toLowerCase() ?? derivedMac(wiring);
  refuseHostsMac(mac, settings);
  const addresses = wiring.ips.map(subnetOf);
  checkMtu(wiring, addresses);
  const routes = routesThrough(gateways, wiring);
  const links = podLinks(wiring, settings, mac);
  const hostLink = hostLinkOf(settings);
  const isPair = settings.portType === "veth";
  return {
    plan: [
      // The end of a pair must be there before it becomes a port, an internal port is there afterwards.
      ...(isPair ? [links.host] : []),
      bridgeObject(settings),
      portObject(wiring, settings, mac, addresses),
      ...linksToHost(wiring, settings),
      ...(isPair ? [] : [links.host]),
      ...hostObjects(wiring, settings, mac, addresses),
      // Another pod's address is refused by then: flows would have taken its packets, and their removal its flows.
      ...flowObjects(wiring, settings, mac, addresses, routes.some(isOnLink)),
      ...routedPodObjects(links.pod, addresses, routes),
      ...(wiring.ipMasq
        ? [
            masquerade(wiring, addresses, [
              hostLink,
              ...(settings.tunnel === undefined ? [] : [settings.tunnel]),
            ]),
          ]
        : []),
      ...forwarding(wiring, addresses, hostLink),
      ...(isPair ? ownedBySwitch(wiring, links.host) : []),
    ],
    interfaces: [
      isPair
        ? { name: links.host.name, mac: gatewayMac, mtu: wiring.mtu }
        : { name: settings.at.bridge, mac: settings.localMac },
      { name: wiring.ifname, mac, mtu: wiring.mtu, sandbox: wiring.sandbox },
    ],
    ips: addresses.map(({ ip }) => ({ address: hostPrefix(ip), gateway: gateways[ip.family], interface: 1 })),
    routes,
  };
}

function traces(name: AttachmentName, at: BridgeName): PodPlan {
  const link = hostLinkName(name);
  return [
    pairTrace(name),
    {
      kind: "ovs-port",
      where: "host",
      ...at,
      name: link,
      type: { kind: "system" },
      trunk: [],
      externalIds: {},
    },
    { kind: "ovs-flows", where: "host", ...at, cookie: podCookie(name), flows: [] },
  ];
}

function settingsOf({ ovs: settings }: Wiring): OvsSettings {
  if (settings === undefined) throw new Error("the ovs datapath was called without its settings");
  return settings;
}

/** Packets for it go to the pod that has it. */
function refuseHostsMac(mac: string, { at, localMac }: OvsSettings): void {
  if (mac !== gatewayMac && mac !== localMac) return;
  throw cannotWire(`MAC ${mac} is the host's on bridge ${at.bridge}; ask for another one, or for none`);
}

/** By which the host reaches its pods: the bridge's local port, or a VLAN of it. */
function hostLinkOf({ at, vlan }: OvsSettings): string {
  return vlan === 0 ? at.bridge : hostVlanName(at.bridge, vlan);
}

/**
 * The kernel's datapath knows an internal port by its link's name: renamed, it is lost to Open vSwitch at once. So it
 * keeps its name in the pod, and has the interface's as a second one.
 */
function podLinks(
  wiring: Wiring,
  { at, datapathType, portType }: OvsSettings,
  mac: string,
): { host: Link; pod: Link } {
  if (portType === "veth") {
    const { host, pod } = vethPair(wiring, mac, wiring.mtu);
    return { host: { ...host, noAutomaticAddress: wiring.host.ipv6 }, pod };
  }
  const alias = linkAlias(wiring);
  const type = { kind: "ovs", bridge: at } as const;
  const name = hostLinkName(wiring);
  const inPod = datapathType === "system" ? { name, altName: wiring.ifname } : { name: wiring.ifname };
  return {
    host: { kind: "link", where: "host", name, alias, type: { ...type, movesToPodAs: inPod.name } },
    pod: { kind: "link", where: "pod", ...inPod, mac, mtu: wiring.mtu, type },
  };
}

function portObject(
  wiring: Wiring,
  { at, portType, trunk, ingress, labels }: OvsSettings,
  mac: string,
  addresses: readonly Prefix[],
): OvsPort {
  return {
    kind: "ovs-port",
    where: "host",
    ...at,
    name: hostLinkName(wiring),
    type: portType === "veth" ? { kind: "system" } : { kind: "internal", mac, mtu: wiring.mtu },
    trunk,
    ...(ingress === undefined ? {} : { ingress }),
    externalIds: {
      [ownerKey]: attachmentLabel(wiring),
      "container-id": wiring.containerID,
      ...labels,
      "attached-mac": mac,
      ip: textsOf(addresses).join(","),
    },
  };
}

function flowObjects(
  wiring: Wiring,
  { at, isForeign, localMac, vlan, trunk, antiSpoofing }: OvsSettings,
  mac: string,
  addresses: readonly Prefix[],
  answersAll: boolean,
): PodObject[] {
  const port = hostLinkName(wiring);
  const ips = textsOf(addresses);
  const flows = podFlows({
    port,
    mac,
    localMac,
    ips,
    mtu: wiring.mtu,
    vlan,
    trunk,
    antiSpoofing,
    answersAll,
  });
  return [
    sharedFlows(at, ownCookies.base, baseFlows(localMac)),
    ...(isForeign ? [] : trunk.map((vlan) => sharedTrunk(at, vlan))),
    { kind: "ovs-flows", where: "host", ...at, cookie: podCookie(wiring), flows },
  ];
}

function textsOf(addresses: readonly Prefix[]): string[] {
  return addresses.map(({ ip }) => formatIp(ip));
}

/** What the pods of a bridge of podwire's need whose trunk has the VLAN. */
export function sharedTrunk(at: BridgeName, vlan: number): OvsFlows {
  return sharedFlows(at, ownCookies.trunk(vlan), trunkFlows(vlan));
}

function sharedFlows({ database, bridge }: BridgeName, cookie: string, flows: readonly OvsFlow[]): OvsFlows {
  return { kind: "ovs-flows", where: "host", database, bridge, cookie, shared: true, flows };
}

export function podCookie(name: AttachmentName): string {
  return `${ownCookies.prefix}${cookieOf(name)}`;
}

/** First, so that nothing was made before them if another pod's ADD makes them in the same moment. */
function linksToHost(wiring: Wiring, settings: OvsSettings): Link[] {
  const { at, vlan } = settings;
  const { ipv6 } = wiring.host;
  const local = localPort(settings, ipv6);
  if (vlan === 0) return [local];
  return [
    local,
    {
      kind: "link",
      where: "host",
      shared: true,
      noAutomaticAddress: ipv6,
      name: hostLinkOf(settings),
      type: { kind: "vlan", master: at.bridge, id: vlan },
    },
  ];
}

function hostObjects(
  wiring: Wiring,
  settings: OvsSettings,
  mac: string,
  addresses: readonly Prefix[],
): PodObject[] {
  const { isForeign, vlan } = settings;
  const link = hostLinkOf(settings);
  const isOwnLink = !isForeign || vlan !== 0;
  return [
    ...(isOwnLink && has(addresses, 6) && wiring.host.ipv6OffByDefault
      ? [hostSysctl(`net/ipv6/conf/${link}/disable_ipv6`, "0")]
      : []),
    // A bridge of others may be on a wire, where fe80::1 is often the router.
    ...(isForeign ? [] : gatewayAddresses(link, addresses)),
    ...addresses.map(
      ({ ip }): Route => ({
        kind: "route",
        where: "host",
        link,
        dst: hostPrefix(ip),
        // The bridge's own MTU is that of no pod: what is too big must be told here. A new bridge gets its own a moment late.
        mtu: wiring.mtu,
        ...(ip.family === 4 ? { scope: scopeLink } : { mtuLocked: true }),
      }),
    ),
    ...addresses.map(
      ({ ip }) => ({ kind: "neighbour", where: "host", link, address: formatIp(ip), mac }) as const,
    ),
    ...(has(addresses, 4) ? [hostSysctl(`net/ipv4/conf/${link}/forwarding`, "1")] : []),
    ...(isOwnLink && wiring.host.ipv6 ? [hostSysctl(`net/ipv6/conf/${link}/accept_ra`, "0")] : []),
  ];
}
