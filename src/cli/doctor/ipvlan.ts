// Networks whose pods are slaves of a link of the node: whether that link can be their master, and what their
// mode leaves out.
import { ipvlanSettings } from "../../attachment/ipvlan-master.ts";
import { toCniError } from "../../cni/error.ts";
import type { NetworkConfig } from "../../config/network.ts";
import type { IpvlanSettings } from "../../datapath/datapath.ts";
import { addressOf, unfiltered } from "../../datapath/ipvlan.ts";
import { ipAsk } from "../../linux/ip.ts";
import { readHostSysctl } from "../../linux/sysctl.ts";
import { commandKernel } from "../command-kernel.ts";
import { type Finding, fault, fine, warning } from "./finding.ts";
import { type Node, rangesOf } from "./node.ts";

export async function checkIpvlan(node: Node): Promise<Finding[]> {
  const networks = node.networks.filter(({ datapath }) => datapath === "ipvlan");
  return (await Promise.all(networks.map(checkNetwork))).flat();
}

async function checkNetwork(network: NetworkConfig): Promise<Finding[]> {
  const check = `ipvlan of network ${network.name}`;
  try {
    const settings = await ipvlanSettings(network, commandKernel());
    return [
      mode(check, settings),
      ...(await carrier(settings)),
      ...reversePath(settings),
      ...hostAddresses(network, settings),
    ];
  } catch (error) {
    return [
      fault(check, toCniError(error).details, "no pod can be wired", "put that right, or use datapath veth"),
    ];
  }
}

function mode(check: string, { master, mode, flag }: IpvlanSettings): Finding {
  const found = `mode ${mode} ${flag} on ${master.name}, MTU ${master.mtu}`;
  const unseen = unfiltered(mode);
  const breaks = [
    ...(unseen === undefined ? [] : [`no Services, no NetworkPolicy: ${unseen}`]),
    ...(flag === "bridge" ? [] : ["this host does not reach its pods: probes fail"]),
  ];
  if (breaks.length === 0) return fine(check, found);
  const fixes = [
    ...(unseen === undefined ? [] : ['set ipvlan.mode to "l3s", or use datapath veth']),
    ...(flag === "bridge" ? [] : ["leave out ipvlan.flag, unless pods need no host"]),
  ];
  return warning(check, found, breaks.join("; "), fixes.join("; "));
}

/** Without it nothing passes, not even between the host and its pods (seen with 6.1). */
async function carrier({ master: { name } }: IpvlanSettings): Promise<Finding[]> {
  const [links] = await ipAsk("host", [`link show dev ${name}`], commandKernel());
  const { flags = [] } = (links?.[0] ?? {}) as { flags?: readonly string[] };
  const isUp = flags.includes("UP");
  if (isUp && !flags.includes("NO-CARRIER")) return [];
  const [found, fix] = isUp
    ? ["no carrier", "see to its cable, or to what it is connected to"]
    : ["down", `ip link set dev ${name} up`];
  return [fault(`link of master ${name}`, found, "pods reach neither this host nor anything beyond it", fix)];
}

/** The kernel routes what l3 pods send by the master alone. */
function hostAddresses(network: NetworkConfig, { master, mode }: IpvlanSettings): Finding[] {
  if (mode === "l2") return [];
  const ranges = rangesOf(network).map(({ ip }) => ip.family);
  // Another IPAM may have any; a master that has none serves no pod.
  const families = ranges.length > 0 ? ranges : master.addresses.length > 0 ? [] : ([4, 6] as const);
  return [...new Set(families)]
    .filter((family) => addressOf(master, family) === undefined)
    .map((family) => {
      const kind = `IPv${family} address`;
      const breaks = `pods and this host do not reach each other by IPv${family}: probes fail`;
      return warning(`${kind} of ${master.name}`, "none", breaks, `give ${master.name} an ${kind}`);
    });
}

/** Pods' packets to the host come in by the master, but the way back to them is the host's slave. */
function reversePath({ master, mode }: IpvlanSettings): Finding[] {
  if (mode !== "l2") return [];
  const values = ["all", master.name].map((link) => readHostSysctl(`net/ipv4/conf/${link}/rp_filter`));
  const check = `reverse path filter of ${master.name}`;
  // The larger one counts (Documentation/networking/ip-sysctl.rst).
  const effective = Math.max(...values.map(Number));
  if (effective !== 1) return [fine(check, String(effective))];
  const fix = `sysctl -w net.ipv4.conf.${master.name}.rp_filter=2`;
  return [warning(check, "1 (strict)", "the host drops what IPv4 pods send to it or through it", fix)];
}
