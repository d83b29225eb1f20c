// What an ADD needs of the machine, asked for before anything is changed, and by STATUS.
import { parseIp } from "../address/ip.ts";
import { CniError, ErrorCode } from "../cni/error.ts";
import type { NetworkConfig } from "../config/network.ts";
import { isLoaded, sttModule } from "../kernel-module/module.ts";
import type { Kernel } from "../linux/kernel.ts";
import { type DrivenKind, driverMissing, hasDriver } from "../linux/link-drivers.ts";
import { hostLinkExists } from "../linux/links.ts";
import { type ProgramName, requireProgram } from "../linux/programs.ts";
import { overlayOf } from "../overlay/registry.ts";
import { kernelRefused, overlayUnusable } from "../plan/fault.ts";
import { sttMissing } from "../plan/stt.ts";
import type { Call } from "./call.ts";

/** Programs that each ADD with this configuration needs. Throws before anything is changed. */
export function requirePrograms({ config, environment }: Call): void {
  requireAll(environment, [
    "ip",
    "nsenter",
    ...(config.ipMasq ? (["nft"] as const) : []),
    ...(config.datapath === "ovs" ? (["ovs-vsctl", "ovs-ofctl"] as const) : []),
  ]);
}

/** Also those that only some of its ADDs need, for STATUS. */
export function requireAllPrograms(call: Call): void {
  requirePrograms(call);
  const isLocked = call.config.datapath === "ovs" || overlayOf(call.config) !== undefined;
  requireAll(call.environment, ["tee", "cat", ...(isLocked ? (["flock"] as const) : [])]);
}

function requireAll({ variables }: Call["environment"], names: readonly ProgramName[]): void {
  for (const name of names) requireProgram(name, variables["PATH"]);
}

/** Throws code 100 or 108 if the kernel cannot make the links that pods or the overlay need. */
export async function requireDrivers(config: NetworkConfig, kernel: Kernel): Promise<void> {
  const { datapath, overlay, ovs } = config;
  if (datapath === "ipvlan") await requireDriver('datapath = "ipvlan"', "ipvlan", kernelRefused, kernel);
  if (datapath === "ovs" && ovs?.vlan)
    await requireDriver(`ovs.vlan = ${ovs.vlan}`, "vlan", kernelRefused, kernel);
  if (overlay?.type === "stt") await requireStt(kernel);
  // Open vSwitch makes tunnels in the kernel by the same drivers (lib/dpif-netlink-rtnl.c), in userspace podwire has none.
  const isInUserspace = datapath === "ovs" && ovs?.datapathType === "netdev";
  if (isInUserspace || (overlay?.type !== "vxlan" && overlay?.type !== "geneve")) return;
  await requireDriver(`overlay.type = "${overlay.type}"`, overlay.type, overlayUnusable, kernel);
}

async function requireDriver(
  what: string,
  kind: DrivenKind,
  toError: (details: string) => CniError,
  kernel: Kernel,
): Promise<void> {
  if (!(await hasDriver(kind, kernel))) throw toError(`${what}: ${driverMissing(kind)}`);
}

async function requireStt(kernel: Kernel): Promise<void> {
  if (isLoaded(sttModule)) return;
  // What the kernel itself does when the device is to be made.
  const { isInstalled } = await import("../kernel-module/host.ts");
  if (!(await isInstalled("rtnl-link-stt", kernel)))
    throw overlayUnusable(`overlay.type = "stt": ${sttMissing}`);
}

/** Throws code 7 if the underlay that the configuration names does not exist. */
export function requireUnderlay(config: NetworkConfig): void {
  const underlay = config.overlay?.underlay;
  if (underlay === undefined || parseIp(underlay) !== undefined || hostLinkExists(underlay)) return;
  throw new CniError(
    ErrorCode.invalidConfig,
    "the underlay does not exist",
    `overlay.underlay = ${JSON.stringify(underlay)}: the host has no such link`,
  );
}
