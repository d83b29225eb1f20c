// The node's overlay: whether it is as declared, whether pods have its MTU, and what of the links' offloads makes it slow.
import { toCniError } from "../../cni/error.ts";
import { loadNodeDefaults } from "../../config/load.ts";
import { firstFew } from "../../few.ts";
import { type DeclaredOverlay, declaredBy } from "../../node/declared.ts";
import { type Desired, desiredOverlay, warningsOf } from "../../node/overlay.ts";
import { routesOnward } from "../../plan/dead-end.ts";
import { describeForeign, foreignRoutes, strayRoutes } from "../../plan/foreign-routes.ts";
import { observeHost } from "../../plan/observe-host.ts";
import type { PlanObject } from "../../plan/plan.ts";
import { describeDifference, verify } from "../../plan/verify.ts";
import { commandKernel } from "../command-kernel.ts";
import { type Finding, fault, fine, unchecked, warning } from "./finding.ts";
import { checkNeighbours } from "./neighbours.ts";
import type { Node } from "./node.ts";
import { offloadsOf } from "./offloads.ts";
import { probe } from "./probe.ts";

export async function checkOverlay(node: Node): Promise<Finding[]> {
  let declared: DeclaredOverlay | undefined;
  let desired: Desired;
  const breaks = "pods cannot reach those of other nodes";
  try {
    declared = declaredBy(node.networks, loadNodeDefaults());
    if (declared === undefined) return node.probe === undefined ? [] : [nothingToProbe(node.probe)];
    desired = await desiredOverlay(declared, commandKernel());
  } catch (error) {
    const { message, details } = toCniError(error);
    return [fault("overlay", `${message}: ${details}`, breaks, "correct it, then podwire apply")];
  }
  return [
    ...(await asDeclared(declared, desired).catch((error: unknown) => [
      unchecked("overlay", toCniError(error).details),
    ])),
    ...podsWithOtherMtu(node, declared, desired),
    ...checkNeighbours(desired),
    ...(await offloadsOf(node, declared, desired)),
    ...(node.probe === undefined ? unprobed(declared) : await probe(node.probe, declared, desired)),
  ];
}

const shown = 3;

async function asDeclared({ config }: DeclaredOverlay, desired: Desired): Promise<Finding[]> {
  const { plan, mtu } = desired;
  const host = await observeHost(commandKernel(), plan);
  const peers = routesOnward(plan).length;
  const inTheWay = foreignRoutes(plan, host);
  const obstructed = new Set<PlanObject>(inTheWay.map(({ wanted }) => wanted));
  const possible = plan.filter((object) => !obstructed.has(object));
  const faults = [
    ...obstructing(inTheWay.map(describeForeign)),
    ...differing(config.type, verify(possible, host).map(describeDifference)),
  ];
  return [
    ...(faults.length > 0
      ? faults
      : [fine("overlay", `${config.type}, MTU ${mtu}, ${peers} prefixes of peers`)]),
    ...firstFew(warningsOf(desired, strayRoutes(plan, host)), shown).map((found) =>
      warning(
        "overlay peer",
        found,
        "pods of that node are not all reached",
        "correct its address, or the host's routes",
      ),
    ),
  ];
}

function obstructing(obstacles: readonly string[]): Finding[] {
  if (obstacles.length === 0) return [];
  const breaks = "packets to those pods go another way";
  return [fault("overlay", firstFew(obstacles, shown).join("; "), breaks, "remove them, then podwire apply")];
}

function differing(type: string, differences: readonly string[]): Finding[] {
  if (differences.length === 0) return [];
  return [
    fault(
      "overlay",
      `${type}: ${firstFew(differences, shown).join("; ")}`,
      "pods may not reach those of other nodes",
      "podwire apply; and podwire apply --watch as a service keeps it so",
    ),
  ];
}

/** An interface keeps the MTU that it was given. */
function podsWithOtherMtu({ attachments }: Node, { networks }: DeclaredOverlay, { mtu }: Desired): Finding[] {
  if ("unreadable" in attachments) return [];
  const larger = attachments.flatMap(({ condition, record, name }) => {
    const own = record?.interfaces.at(-1)?.mtu ?? 0;
    const isByOverlay = networks.includes(name.network);
    return isByOverlay && condition === "wired" && own > mtu
      ? [`${name.containerID.slice(0, 12)} (${own})`]
      : [];
  });
  if (larger.length === 0) return [];
  return [
    warning(
      "MTU of pods",
      `more than the overlay's ${mtu}: ${larger.slice(0, shown).join(", ")}${larger.length > shown ? ", ..." : ""}`,
      "their larger packets need path MTU discovery, which some firewalls break",
      "recreate these pods",
    ),
  ];
}

/** A firewall that follows connections looks like a lost network. */
function unprobed({ config }: DeclaredOverlay): Finding[] {
  if (config.type !== "stt") return [];
  return [
    unchecked(
      "path of stt",
      "cloud security groups, NAT and firewalls between nodes drop STT if they follow connections, for it has no handshake",
      "podwire doctor --probe PEER tries it",
    ),
  ];
}

function nothingToProbe(peer: string): Finding {
  return warning("probe", `no overlay is declared, so ${peer} cannot be probed`, "nothing", "set overlay");
}
