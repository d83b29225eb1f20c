// What an ADD needs of the machine, asked for before anything is changed, and by STATUS.
import { parseIp } from "../address/ip.ts";
import { CniError, ErrorCode } from "../cni/error.ts";
import type { NetworkConfig } from "../config/network.ts";
import { isLoaded, sttModule } from "../kernel-module/module.ts";
import type { Kernel } from "../linux/kernel.ts";
import { hostLinkExists } from "../linux/links.ts";
import { requireProgram } from "../linux/programs.ts";
import { overlayUnusable } from "../plan/fault.ts";
import { sttMissing } from "../plan/stt.ts";
import type { Call } from "./call.ts";

/** Programs that ADD with this configuration needs. Throws before anything is changed. */
export function requirePrograms({ config, environment }: Call): void {
  const names = [
    "ip",
    "nsenter",
    ...(config.ipMasq ? (["nft"] as const) : []),
    ...(config.datapath === "ovs" ? (["ovs-vsctl", "ovs-ofctl"] as const) : []),
  ] as const;
  for (const name of names) requireProgram(name, environment.variables["PATH"]);
}

/** Throws code 108 if the kernel module that the overlay's device needs is neither loaded nor installed. */
export async function requireModule({ overlay }: NetworkConfig, kernel: Kernel): Promise<void> {
  if (overlay?.type !== "stt" || isLoaded(sttModule)) return;
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
