// Which ovs-vswitchd serves a database, and which of its bridges is there, as files tell. No program is started: every call looks, of
// any datapath.
import fs from "node:fs";
import type { Kernel } from "../kernel.ts";
import { findProgram } from "../programs.ts";
import type { BridgeName } from "./ovs.ts";

/** The pid of ovs-vswitchd; undefined if it did not say. */
export function switchProcess(database: string): number | undefined {
  const file = pidFileOf(database);
  return fs.existsSync(file) ? Number.parseInt(fs.readFileSync(file, "utf8"), 10) : undefined;
}

/** Another one after ovs-vswitchd was started again: it writes the file anew. undefined if it does not run. */
export function switchStart(database: string): string | undefined {
  return fileIdentity(pidFileOf(database));
}

function fileIdentity(file: string): string | undefined {
  const stat = fs.statSync(file, { bigint: true, throwIfNoEntry: false });
  return stat === undefined ? undefined : `${file} ${stat.dev} ${stat.ino} ${stat.ctimeNs}`;
}

export function pidFileOf(database: string): string {
  return `${directoryOf(database)}/ovs-vswitchd.pid`;
}

/** Whether Open vSwitch is installed and serves, or served, the database: where it does not, it has nothing of ours. */
export function isPresent(database: string, kernel: Kernel): boolean {
  const socket = database.replace(/^unix:/, "");
  return fs.existsSync(socket) && findProgram("ovs-vsctl", kernel.searchPath) !== undefined;
}

/** Where ovs-vswitchd makes and removes what the bridge is managed by: another one has another socket. */
export function managementSocket({ database, bridge }: BridgeName): string {
  return `${directoryOf(database)}/${bridge}.mgmt`;
}

/**
 * ovs-vswitchd makes its sockets anew when it starts; a bridge's MAC, which flows have, is its owner's to change. undefined
 * while there is no socket.
 */
export function switchIdentity(at: BridgeName): string | undefined {
  const socket = fileIdentity(managementSocket(at));
  return socket === undefined ? undefined : `${socket} ${macOf(at.bridge) ?? ""}`;
}

/**
 * Of a link of the host. procfs tells no MAC, and a program would cost each call 2 ms. Where sysfs shows another netns it is none, or
 * another link's: then pods are looked at once more than they need be.
 */
export function macOf(link: string): string | undefined {
  try {
    return fs.readFileSync(`/sys/class/net/${link}/address`, "utf8").trim();
  } catch {
    return undefined;
  }
}

export function directoryOf(database: string): string {
  return database.replace(/^unix:/, "").replace(/\/[^/]*$/, "");
}
