// Whether the kernel can make the links that the networks' datapaths and overlays need.
import { requireDrivers } from "../../attachment/needs.ts";
import { toCniError } from "../../cni/error.ts";
import type { NetworkConfig } from "../../config/network.ts";
import { commandKernel } from "../command-kernel.ts";
import { type Finding, fault } from "./finding.ts";
import type { Node } from "./node.ts";

export async function checkDrivers(node: Node): Promise<Finding[]> {
  return (await Promise.all(node.networks.map(checkNetwork))).flat();
}

async function checkNetwork(network: NetworkConfig): Promise<Finding[]> {
  try {
    await requireDrivers(network, commandKernel());
    return [];
  } catch (error) {
    const { details } = toCniError(error);
    const fix = "that, or another datapath or overlay";
    return [fault(`drivers for network ${network.name}`, details, "no pod can be wired", fix)];
  }
}
