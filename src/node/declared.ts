// The overlay that a node is declared to have: by its networks' configurations, or by node.json where there is no network.
// A node has one overlay, because it has one device and one set of routes for it.
import { firstIp, lastIp, type Prefix } from "../address/ip.ts";
import { bridgeOf } from "../attachment/ovs/switch.ts";
import { CniError, ErrorCode } from "../cni/error.ts";
import { loadNodeDefaults } from "../config/load.ts";
import type { NetworkConfig, NodeConfig } from "../config/network.ts";
import type { OverlayConfig } from "../config/overlay.ts";
import { parseConfig } from "../ipam/host-local/config.ts";
import type { Range } from "../ipam/host-local/range.ts";
import { isSameBridge } from "../linux/ovs/ovs.ts";
import type { WantedOverlay } from "../overlay/overlay.ts";

export interface DeclaredOverlay {
  readonly config: WantedOverlay;
  /** Prefixes of this node's pods, as far as configurations tell. */
  readonly own: readonly Prefix[];
  /** Names of the networks that use it. */
  readonly networks: readonly string[];
  /** Where pods are ports of a bridge of Open vSwitch, which has the tunnels then: its settings. */
  readonly ovs?: OvsConfig;
}

export type OvsConfig = NonNullable<NetworkConfig["ovs"]>;

/** undefined where no overlay is wanted. Throws code 7 if networks want different ones. */
export function declaredBy(
  networks: readonly NetworkConfig[],
  defaults: NodeConfig,
): DeclaredOverlay | undefined {
  const using = networks.filter((network) => wants(network.overlay));
  const [first, ...others] = using;
  if (!wants(first?.overlay)) {
    if (networks.length > 0 || !wants(defaults.overlay)) return undefined;
    return { config: defaults.overlay, own: [], networks: [], ...bridgeSettings(defaults) };
  }
  for (const other of others) requireSame(first, other);
  const [onBridge, ...alsoOnBridge] = using.filter(({ datapath }) => datapath === "ovs");
  for (const other of alsoOnBridge) requireSameBridge(onBridge ?? other, other);
  return {
    config: first.overlay,
    own: using.flatMap(ownPrefixes),
    networks: using.map(({ name }) => name),
    ...(onBridge === undefined ? {} : bridgeSettings(onBridge)),
  };
}

/** Who says that there is to be none: networks by their names, and node.json by a name that no network can have. */
export function refusersAmong(networks: readonly NetworkConfig[], defaults: NodeConfig): string[] {
  const isRefused = ({ overlay }: NodeConfig) => overlay?.type === "none";
  return [
    ...networks.filter(isRefused).map(({ name }) => name),
    ...(isRefused(defaults) ? ["/etc/podwire/node.json"] : []),
  ];
}

export function bridgeSettings({ datapath, ovs = {} }: NodeConfig): { readonly ovs?: OvsConfig } {
  return datapath === "ovs" ? { ovs } : {};
}

/** A tunnel to all peers is on one bridge. host-gw needs none. */
function requireSameBridge(one: NetworkConfig, other: NetworkConfig): void {
  if (one.overlay?.type === "host-gw" || isOnSameBridge(one.ovs ?? {}, other.ovs ?? {})) return;
  throw differentBridges(one.name, other.name);
}

export function isOnSameBridge(one: OvsConfig, other: OvsConfig): boolean {
  return isSameBridge(bridgeOf({ ovs: one }), bridgeOf({ ovs: other }));
}

export function differentBridges(one: string, other: string): CniError {
  return new CniError(
    ErrorCode.invalidConfig,
    "invalid overlay",
    `networks ${one} and ${other} have different bridges (ovs.bridge, ovs.database), and a node has one tunnel, which is a ` +
      "port of one bridge; give both the same, or use overlay host-gw",
  );
}

export function wants(overlay: OverlayConfig | undefined): overlay is WantedOverlay {
  return overlay !== undefined && overlay.type !== "none";
}

function requireSame(first: NetworkConfig, other: NetworkConfig): void {
  if (describeOverlay(first.overlay) !== describeOverlay(other.overlay)) {
    throw differentOverlays(first.name, other.name);
  }
}

function differentOverlays(one: string, other: string): CniError {
  return new CniError(
    ErrorCode.invalidConfig,
    "invalid overlay",
    `networks ${one} and ${other} have different overlays, and a node has one; give both the same, best in ` +
      "/etc/podwire/node.json",
  );
}

/** `other` has pods by what its configuration was when they were added. */
export function differentFromApplied(one: string, other: string): CniError {
  return new CniError(
    ErrorCode.invalidConfig,
    "invalid overlay",
    `network ${one} and network ${other}, as that was when it had its last pod, have different overlays, and a node has ` +
      "one; give both the same, best in /etc/podwire/node.json, and if they have the same by now, podwire apply changes it " +
      "for all",
  );
}

/** The same text for the same settings, in whatever order they were written. */
export function describeOverlay(overlay: OverlayConfig | undefined): string {
  return JSON.stringify(Object.entries(overlay ?? {}).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Whether it is what node.json says; without `defaults`, by now. */
export function isOverlayOfNode(
  overlay: OverlayConfig | undefined,
  { overlay: ofNode }: NodeConfig = loadNodeDefaults(),
): boolean {
  return ofNode !== undefined && describeOverlay(ofNode) === describeOverlay(overlay);
}

/** What pods that are there stand on. All else of an overlay may change under them. */
const tunnelKeys = ["type", "vni", "port", "underlay"];

/** `described` by describeOverlay. */
export function isSameTunnel(described: string, overlay: OverlayConfig | undefined): boolean {
  const [one, other] = [described, describeOverlay(overlay)].map((text) =>
    JSON.stringify((JSON.parse(text) as [string, unknown][]).filter(([key]) => tunnelKeys.includes(key))),
  );
  return one === other;
}

/**
 * Subnets that are this node's as a whole: where a range is only a part of one, other nodes have the other parts. A
 * capability's ranges are of one pod, not of the node.
 */
export function ownPrefixes({ runtimeConfig: _, ...network }: NetworkConfig): Prefix[] {
  if (network.ipam.type !== "host-local") return [];
  const ranges = parseConfig(network).rangeSets.flat();
  return ranges.filter(isWhole).map(({ subnet }) => subnet);
}

/** At least half of it: a few addresses left out at its ends do not make the rest somebody else's. */
function isWhole({ subnet, start, end }: Range): boolean {
  return 2n * (end.value - start.value) >= lastIp(subnet).value - firstIp(subnet).value;
}
