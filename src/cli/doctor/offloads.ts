// What a network card and its driver take over, as far as a tunnel depends on it.
import fs from "node:fs";
import type { OverlayConfig } from "../../config/overlay.ts";
import type { DeclaredOverlay } from "../../node/declared.ts";
import type { Desired } from "../../node/overlay.ts";
import { type Finding, fine, unchecked, warning } from "./finding.ts";
import type { Node } from "./node.ts";
import { isAtLeastVersion } from "./programs.ts";
import { sttFindings } from "./stt.ts";
import { tunnelOf, wrappingLink } from "./wrapping.ts";

export interface Offloads {
  /** The underlay's link, and the tunnel's device. */
  readonly underlay: Link;
  readonly device: Link;
  /** Of the outer UDP header. */
  readonly udpcsum: boolean;
  readonly port: number | undefined;
  /** Release of the running kernel. */
  readonly kernel: string;
  /** The feature by which a card segments what the tunnel sends. */
  readonly segmentation: string;
}

interface Link {
  readonly name: string;
  readonly driver?: string | undefined;
  /** As ethtool names them: "on" or "off". */
  readonly features: ReadonlyMap<string, string>;
}

export async function offloadsOf(
  node: Node,
  { config }: DeclaredOverlay,
  { device, underlay, plan }: Desired,
): Promise<Finding[]> {
  if (device === undefined) return [];
  const wrapping = wrappingLink(plan, device);
  const [outer, inner, driver] = await Promise.all([
    featuresOf(node, underlay.link),
    featuresOf(node, wrapping),
    driverOf(node, underlay.link),
  ]);
  if (outer === undefined)
    return [unchecked("offloads", "ethtool is not installed, or does not know the link")];
  const found = findings({
    underlay: { name: underlay.link, driver, features: outer },
    device: { name: wrapping, features: inner ?? new Map() },
    udpcsum: config.udpcsum !== false,
    port: tunnelOf(plan)?.port,
    kernel: fs.readFileSync("/proc/sys/kernel/osrelease", "utf8").trim(),
    segmentation: segmentationOf(config),
  });
  return config.type === "stt" ? [...sttFindings(config, underlay.link, outer), ...found] : found;
}

/** Of a card: a tunnel with checksums in the outer UDP header needs more than one without. */
function segmentationOf({ type, udpcsum }: OverlayConfig): string {
  if (type === "stt") return "tcp-segmentation-offload";
  return udpcsum === false ? "tx-udp_tnl-segmentation" : "tx-udp_tnl-csum-segmentation";
}

/** From what is known to what is to be said of it. */
export function findings(offloads: Offloads): Finding[] {
  const { underlay, device, udpcsum } = offloads;
  const isOff = ({ features }: Link, feature: string) => features.get(feature) === "off";
  const found = [
    ...(udpcsum ? [] : [withoutChecksums()]),
    ...spoiltChecksums(offloads),
    ...[underlay, device].filter((link) => isOff(link, "generic-receive-offload")).map(withoutGro),
    ...(isOff(device, "tx-checksumming") ? [withoutTxChecksums(device)] : []),
    ...(isOff(underlay, "rx-checksumming") ? [withoutRxChecksums(underlay)] : []),
  ];
  if (found.length > 0) return found;
  const isOffloaded = underlay.features.get(offloads.segmentation) === "on";
  const how = isOffloaded
    ? "segments tunnelled packets itself"
    : "leaves segmenting tunnelled packets to the processor";
  return [fine("offloads", `${underlay.name} ${how}`)];
}

async function featuresOf(node: Node, link: string): Promise<Map<string, string> | undefined> {
  const outcome = await node.ask("ethtool", ["-k", link]);
  if (outcome === undefined || outcome.exitCode !== 0) return undefined;
  const pairs = [...outcome.stdout.matchAll(/^\s*([a-z0-9_-]+): (on|off)/gm)];
  return new Map(pairs.map(([, name = "", state = ""]) => [name, state]));
}

/** What a VLAN, a bond or a bridge stands on: it is that one's driver that packets meet. */
function lowestOf(link: string, depth = 0): string {
  const lower = namesIn(`/sys/class/net/${link}`).find((name) => name.startsWith("lower_"));
  return lower === undefined || depth > 8 ? link : lowestOf(lower.slice("lower_".length), depth + 1);
}

function namesIn(directory: string): string[] {
  try {
    return fs.readdirSync(directory);
  } catch {
    return [];
  }
}

async function driverOf(node: Node, link: string): Promise<string | undefined> {
  const outcome = await node.ask("ethtool", ["-i", lowestOf(link)]);
  return /^driver: (.+)$/m.exec(outcome?.stdout ?? "")?.[1];
}

/** Until 5.7 NAT "mended" a checksum that a tunnel packet does not have, and each was dropped until TCP gave up on large ones. */
const natLeavesZeroChecksums = "5.7";
/** This virtual card looks into tunnels of the registered port alone, and spoils checksums of others. */
const portKnownToVmxnet3 = 4789;

/** What makes connections begin after 63 s, or go on with 50 Mbit/s. */
function spoiltChecksums({ underlay, device, udpcsum, port, kernel }: Offloads): Finding[] {
  if (device.features.get("tx-checksum-ip-generic") !== "on") return [];
  const trap = (why: string) =>
    warning(
      "offloads",
      `${device.name} leaves checksums to ${underlay.name} (tx-checksum-ip-generic), ${why}`,
      "packets arrive with wrong checksums and are dropped: connections take a minute to begin, or are slow",
      `see with doctor --probe PEER whether it is so here; then ethtool -K ${device.name} tx-checksum-ip-generic off`,
    );
  return [
    ...(underlay.driver === "vmxnet3" && port !== portKnownToVmxnet3
      ? [trap(`whose driver vmxnet3 spoils them for ports other than ${portKnownToVmxnet3}`)]
      : []),
    ...(!udpcsum && !isAtLeastVersion(kernel, natLeavesZeroChecksums)
      ? [trap(`and NAT of kernel ${kernel} spoils those of tunnel packets without checksums`)]
      : []),
  ];
}

function withoutChecksums(): Finding {
  return warning(
    "offloads",
    "overlay.udpcsum is false",
    "throughput: a peer whose card does not look into tunnels verifies each inner packet itself",
    "remove udpcsum",
  );
}

function withoutGro({ name }: Link): Finding {
  return warning(
    "offloads",
    `${name} does not join received packets (GRO is off)`,
    "throughput between nodes",
    `ethtool -K ${name} gro on`,
  );
}

function withoutTxChecksums({ name }: Link): Finding {
  return warning(
    "offloads",
    `${name} has its checksums made by the processor (a cure for cards and kernels that spoil them)`,
    "throughput between nodes: without checksums there is no segmentation either",
    `unless it is needed here, ethtool -K ${name} tx on`,
  );
}

function withoutRxChecksums({ name }: Link): Finding {
  return warning(
    "offloads",
    `${name} does not verify received checksums`,
    "throughput between nodes: the processor does it for each packet",
    `ethtool -K ${name} rx on`,
  );
}
