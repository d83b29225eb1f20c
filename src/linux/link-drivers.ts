// Whether the kernel has the driver for a kind of link, built in or as a module.
import fs from "node:fs";
import { ipApply } from "./ip.ts";
import type { Kernel } from "./kernel.ts";

export type DrivenKind = "ipvlan" | "vlan" | "vxlan" | "geneve";

/** What iproute2 passes on and each driver refuses: of what is on another link that one is missing, and no link has this MAC. */
const impossible: Readonly<Record<DrivenKind, string>> = {
  ipvlan: "type ipvlan",
  vlan: "type vlan id 1",
  vxlan: "address 00:00:00:00:00:00 type vxlan external dstport 0",
  geneve: "address 00:00:00:00:00:00 type geneve external",
};

/**
 * The kernel loads a module when such a link is to be made, before it looks at the rest (rtnl_newlink in net/core/rtnetlink.c);
 * what modprobe knows says nothing of a driver that is built in.
 */
export async function hasDriver(kind: DrivenKind, kernel: Kernel): Promise<boolean> {
  if (fs.existsSync(`/sys/module/${moduleOf(kind)}`)) return true;
  const [fault] = await ipApply("host", [`link add name pw-none ${impossible[kind]}`], kernel);
  return fault === undefined || !isDriverMissing(fault.message);
}

export function isDriverMissing(message: string): boolean {
  return message.includes("Unknown device type");
}

/** What to do about it. */
export function driverMissing(kind: string): string {
  return `the kernel has no driver for links of type ${kind}; install its module ${moduleOf(kind)}, or boot a kernel that has it`;
}

function moduleOf(kind: string): string {
  return kind === "vlan" ? "8021q" : kind;
}
