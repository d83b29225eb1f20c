// The bypass of netfilter: whether it is as networks wish, and what keeps it from it.
import { isKilled } from "../../bypass/control.ts";
import { toCniError } from "../../cni/error.ts";
import { loadNodeDefaults } from "../../config/load.ts";
import { hostOf } from "../../kernel-module/host.ts";
import { bypassModule, isLoaded } from "../../kernel-module/module.ts";
import { describeAbsence, moduleState } from "../../kernel-module/state.ts";
import { describeBypass, judgeBypass } from "../../node/bypass.ts";
import { noOverlay, type OverlayPart, overlayPart } from "../../node/bypass-plan.ts";
import {
  freshBypassRecord,
  presentModule,
  type WishingNetwork,
  wishingNetwork,
} from "../../node/bypass-record.ts";
import { declaredBy } from "../../node/declared.ts";
import { desiredOverlay } from "../../node/overlay.ts";
import { bypassFault, readModule } from "../../plan/bypass.ts";
import { commandKernel } from "../command-kernel.ts";
import { type Finding, fault, fine, warning } from "./finding.ts";
import type { Node } from "./node.ts";

const check = "bypass";
const slower = "nothing but speed: pods' traffic takes its whole path";

export async function checkBypass(node: Node): Promise<Finding[]> {
  const wishing = node.networks.flatMap((network) => wishingNetwork(network) ?? []);
  if (wishing.length === 0) return [];
  if (!isLoaded(bypassModule)) return [await absent(node, wishing)];
  return [...killed(), await judged(node, wishing)];
}

function killed(): Finding[] {
  if (!isKilled()) return [];
  const fix = `echo 0 > /sys/module/${bypassModule.name}/parameters/disabled`;
  return [
    warning(
      check,
      "the module's parameter `disabled` is on: nothing is bypassed, whatever is set",
      slower,
      fix,
    ),
  ];
}

/** With auto that is no fault. */
async function absent(node: Node, wishing: readonly WishingNetwork[]): Promise<Finding> {
  const found = describeAbsence(bypassModule, await moduleState(bypassModule, hostOf(commandKernel())));
  if (!wishing.some(({ wish }) => wish.mode === "on")) return fine(check, `auto: ${found}`);
  const tried = node.networks.flatMap((network) => freshBypassRecord(network, presentModule())?.fault ?? []);
  const why = [...new Set(tried)].map((text) => `; tried: ${text}`).join("");
  return fault(
    check,
    `on is wished, and ${found}${why}`,
    "STATUS fails once it was tried, so runtimes take the node for not ready",
    "what it says, then podwire apply; or set bypass.mode to auto",
  );
}

async function judged(node: Node, wishing: readonly WishingNetwork[]): Promise<Finding> {
  const kernel = commandKernel();
  const { wanted, obstacles, tunnelObstacles } = await judgeBypass(
    wishing,
    await partOf(node),
    hostOf(kernel),
  );
  const difference = bypassFault(wanted, await readModule(kernel));
  if (difference !== undefined) {
    const { expected, found } = difference;
    const why = obstacles.length === 0 ? "" : `, because ${obstacles.join("; ")}`;
    const report = obstacles.length === 0 ? warning : fault;
    const breaks = obstacles.length === 0 ? slower : "these rules do not see the traffic that is bypassed";
    return report(check, `expected ${expected}${why}; found ${found}`, breaks, "podwire apply");
  }
  const description = describeBypass({ set: wanted, isChanged: false, obstacles, tunnelObstacles });
  if (obstacles.length === 0 && tunnelObstacles.length === 0) return fine(check, description);
  const fix = "nothing, if these rules are wanted; else remove them, then podwire apply";
  return warning(check, description.replace("bypass: ", ""), slower, fix);
}

async function partOf(node: Node): Promise<OverlayPart> {
  try {
    const declared = declaredBy(node.networks, loadNodeDefaults());
    if (declared === undefined) return noOverlay;
    const { plan, underlay } = await desiredOverlay(declared, commandKernel());
    return overlayPart(plan, underlay.local);
  } catch (error) {
    const { details } = toCniError(error);
    throw new Error(`the overlay is not valid: ${details}`, { cause: error });
  }
}
