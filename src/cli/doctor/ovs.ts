// Networks whose pods are ports of Open vSwitch: whether it runs, and can make or take their bridge.
import { ovsSettings, requireBridge } from "../../attachment/ovs/switch.ts";
import { toCniError } from "../../cni/error.ts";
import type { NetworkConfig } from "../../config/network.ts";
import type { OvsSettings } from "../../datapath/datapath.ts";
import { hostLinkExists } from "../../linux/links.ts";
import { deaf, hearingOf } from "../../linux/ovs/hearing.ts";
import { commandKernel } from "../command-kernel.ts";
import { type Finding, fault, fine, warning } from "./finding.ts";
import type { Node } from "./node.ts";

export async function checkOvs(node: Node): Promise<Finding[]> {
  const networks = node.networks.filter(({ datapath }) => datapath === "ovs");
  return (await Promise.all(networks.map(checkNetwork))).flat();
}

async function checkNetwork(network: NetworkConfig): Promise<Finding[]> {
  const check = `Open vSwitch of network ${network.name}`;
  try {
    const settings = await ovsSettings(network, commandKernel());
    await requireBridge(settings, commandKernel());
    const { database } = settings.at;
    if ((await hearingOf(database, commandKernel())) === "deaf") return [gotNoPackets(check, database)];
    return [bridge(check, settings), ...portType(check, settings)];
  } catch (error) {
    const { details } = toCniError(error);
    return [fault(check, details, "no pod can be wired", "put that right, or use datapath veth")];
  }
}

function gotNoPackets(check: string, database: string): Finding {
  const { message, details } = deaf(database);
  const fix = "podwire apply, which helps where all bridges are podwire's; or restart ovs-vswitchd";
  return fault(check, `${message}: ${details}`, "pods reach nothing, and nothing reaches them", fix);
}

function bridge(check: string, { at, datapathType, portType: type }: OvsSettings): Finding {
  const state = hostLinkExists(at.bridge) ? "is there" : "will be made by the first pod";
  return fine(check, `bridge ${at.bridge} (${datapathType}, ports by ${type}) ${state}`);
}

function portType(check: string, { portType: type, datapathType }: OvsSettings): Finding[] {
  if (type === "veth") return [];
  const breaks =
    datapathType === "netdev"
      ? "a restart of ovs-vswitchd cuts pods off until the next ADD, DEL, GC or podwire apply"
      : "in pods the interface's name is a second one, which /sys/class/net and /proc/sys/net do not have";
  const fix =
    datapathType === "netdev" ? "use a bridge of the kernel's datapath" : "set ovs.portType to veth";
  return [warning(`${check}: ports`, "internal", breaks, fix)];
}
