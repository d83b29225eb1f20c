// What a network card and its driver take over, as far as a tunnel depends on it.
import type { DeclaredOverlay } from "../../node/declared.ts";
import type { Desired } from "../../node/overlay.ts";
import { type Finding, fine, unchecked, warning } from "./finding.ts";
import type { Node } from "./node.ts";

export async function offloadsOf(
  node: Node,
  { config }: DeclaredOverlay,
  { device, underlay }: Desired,
): Promise<Finding[]> {
  if (device === undefined) return [];
  const [outer, inner] = await Promise.all([featuresOf(node, underlay.link), featuresOf(node, device)]);
  if (outer === undefined)
    return [unchecked("offloads", "ethtool is not installed, or does not know the link")];
  const findings = [
    ...(config.udpcsum === false ? [withoutChecksums()] : []),
    ...(outer.get("generic-receive-offload") === "off" ? [withoutGro(underlay.link)] : []),
    ...(inner?.get("generic-receive-offload") === "off" ? [withoutGro(device)] : []),
    ...(inner?.get("tx-checksumming") === "off" ? [withoutTxChecksums(device)] : []),
    ...(outer.get("rx-checksumming") === "off" ? [withoutRxChecksums(underlay.link)] : []),
  ];
  if (findings.length > 0) return findings;
  const isOffloaded = outer.get("tx-udp_tnl-segmentation") === "on";
  const how = isOffloaded
    ? "segments tunnelled packets itself"
    : "leaves segmenting tunnelled packets to the processor";
  return [fine("offloads", `${underlay.link} ${how}`)];
}

async function featuresOf(node: Node, link: string): Promise<Map<string, string> | undefined> {
  const outcome = await node.ask("ethtool", ["-k", link]);
  if (outcome === undefined || outcome.exitCode !== 0) return undefined;
  const pairs = [...outcome.stdout.matchAll(/^\s*([a-z0-9_-]+): (on|off)/gm)];
  return new Map(pairs.map(([, name = "", state = ""]) => [name, state]));
}

function withoutChecksums(): Finding {
  return warning(
    "offloads",
    "overlay.udpcsum is false",
    "throughput: a peer whose card does not look into tunnels verifies each inner packet itself",
    "remove udpcsum",
  );
}

function withoutGro(link: string): Finding {
  return warning(
    "offloads",
    `${link} does not join received packets (GRO is off)`,
    "throughput between nodes",
    `ethtool -K ${link} gro on`,
  );
}

function withoutTxChecksums(link: string): Finding {
  return warning(
    "offloads",
    `${link} has its checksums made by the processor (a cure for NAT of tunnel packets, which podwire does not do)`,
    "throughput between nodes: without checksums there is no segmentation either",
    `ethtool -K ${link} tx on`,
  );
}

function withoutRxChecksums(link: string): Finding {
  return warning(
    "offloads",
    `${link} does not verify received checksums`,
    "throughput between nodes: the processor does it for each packet",
    `ethtool -K ${link} rx on`,
  );
}
