// Which overlay goes with which datapath. What cannot work is refused before anything is tried, with the reason.
import { parseIp } from "../address/ip.ts";
import { ipvlanOf, type NetworkConfig } from "../config/network.ts";
import { badOverlay } from "./fault.ts";
import { userspaceTunnel } from "./ovs-tunnel.ts";
import { overlayOf, overlays } from "./registry.ts";

/** Throws code 7 for a pair that cannot work. */
export function requireFit(config: NetworkConfig): void {
  const { type = "none", underlay } = config.overlay ?? {};
  if (type === "none") return;
  const { device, hasBridgePort } = overlays[type];
  if (config.datapath === "ipvlan") {
    requireIpvlanFit(config, type, device);
    if (underlay !== undefined && parseIp(underlay) === undefined) requireMaster(config, underlay);
  }
  if (config.datapath === "ovs" && hasBridgePort && config.ovs?.datapathType === "netdev") {
    throw userspaceTunnel(type, "its bridge");
  }
}

function requireIpvlanFit(config: NetworkConfig, type: string, device: string | undefined): void {
  const { mode, flag, master } = ipvlanOf(config);
  if (mode === "l2" && flag !== "bridge") {
    throw badOverlay(
      `config: ipvlan.flag = "${flag}" keeps l2 pods apart from the host, whose routes lead to other nodes; use flag bridge`,
    );
  }
  if (mode === "l2" || device === undefined) return;
  if (master !== undefined && master !== device) {
    throw badOverlay(
      `config: ipvlan.master = "${master}" with overlay ${type}: what ${mode} pods send is routed by their master alone, so ` +
        `routes of ${device} would never be used; leave ipvlan.master out, or use mode l2 or datapath veth`,
    );
  }
  if (config.overlay?.directRouting) {
    throw badOverlay(
      `config: overlay.directRouting with ipvlan.mode ${mode}: what pods on ${device} send is routed by it alone, so peers with ` +
        "a direct route would not be reached; remove directRouting, or use mode l2 or datapath veth",
    );
  }
  if (config.ipMasq) {
    throw badOverlay(
      `config: ipMasq with overlay ${type}: ${mode} pods on ${device} reach other nodes' pods and nothing else, so there is ` +
        "nothing to masquerade; remove ipMasq, or use datapath veth",
    );
  }
}

/** Throws code 7 if pods that leave by their master alone have another one than the link to their peers. */
export function requireMaster(config: NetworkConfig, underlay: string): void {
  const { mode, master } = ipvlanOf(config);
  if (!leavesByUnderlay(config) || master === undefined || master === underlay) return;
  throw badOverlay(
    `config: ipvlan.master = "${master}" with overlay ${config.overlay?.type}: what ${mode} pods send is routed by their ` +
      `master alone, but peers are reached by the underlay ${underlay}; leave ipvlan.master out, set overlay.underlay, or use ` +
      "mode l2 or datapath veth",
  );
}

/** Whether pods reach other nodes' by routes of the underlay's link, and no other. */
export function leavesByUnderlay(config: NetworkConfig): boolean {
  const overlay = overlayOf(config);
  const isRouted = config.datapath === "ipvlan" && ipvlanOf(config).mode !== "l2";
  return isRouted && overlay !== undefined && overlay.device === undefined;
}

/** The device of an overlay whose tunnel is a port of the pods' bridge: what comes by it is handed to pods past the host. */
export function tunnelOnBridge(config: Pick<NetworkConfig, "overlay">): string | undefined {
  const { device, hasBridgePort } = overlayOf(config) ?? {};
  return hasBridgePort ? device : undefined;
}

/** What ipvlan's master is unless it is configured: pods of l3 and l3s leave by it alone. */
export function overlayMaster(config: NetworkConfig): string | undefined {
  if (config.datapath !== "ipvlan" || ipvlanOf(config).mode === "l2") return undefined;
  return overlayOf(config)?.device;
}
