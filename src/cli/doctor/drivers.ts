// Whether the kernel can make the links that the networks' datapaths and overlays need.
import { requireDrivers } from "../../attachment/needs.ts";
import { toCniError } from "../../cni/error.ts";
import { commandKernel } from "../command-kernel.ts";
import { type Finding, fault } from "./finding.ts";
import type { Node } from "./node.ts";

export async function checkDrivers(node: Node): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const network of node.networks) {
    try {
      await requireDrivers(network, commandKernel());
    } catch (error) {
      const { details } = toCniError(error);
      findings.push(
        fault(
          `drivers for network ${network.name}`,
          details,
          "no pod can be wired",
          "that, or another datapath or overlay",
        ),
      );
    }
  }
  return findings;
}
