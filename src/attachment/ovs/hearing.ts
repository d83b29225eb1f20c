// Makes an ovs-vswitchd that does not listen to its datapath (linux/ovs/hearing.ts) open it again: it does with the first
// bridge after the last one was removed. Bridges of podwire's own, with its own ports alone, can be removed:
// whoever calls puts their pods back.
import fs from "node:fs";
import path from "node:path";
import { toCniError } from "../../cni/error.ts";
import type { NetworkConfig } from "../../config/network.ts";
import { makeDirectory, replaceFile, runDirectory } from "../../linux/files.ts";
import type { Kernel } from "../../linux/kernel.ts";
import { withLock } from "../../linux/lock.ts";
import { deaf, hearingOf, isAffected, startedBeforeCounting, untilCounted } from "../../linux/ovs/hearing.ts";
import { directoryOf, switchProcess } from "../../linux/ovs/identity.ts";
import { OvsDownError, ovsRows, ovsTransact } from "../../linux/ovs/ovs.ts";
import { labelOf, portsOn } from "../../linux/ovs/rows.ts";
import { startedAfterBoot } from "../../linux/process.ts";
import { ownBridge, ownerKey } from "../../plan/ovs/lines.ts";
import type { AttachmentRecord } from "../record.ts";
import { bridgeOf } from "./switch.ts";

/** For an ADD, before it makes anything: a datapath that is opened from here on is listened to. */
export async function requireHearing({ ovs }: Pick<NetworkConfig, "ovs">, kernel: Kernel): Promise<void> {
  const { database } = bridgeOf({ ovs });
  if (ovs?.datapathType === "netdev" || !startedBeforeCounting(database) || isAttended(database)) return;
  if (await isAffected(database, kernel)) await attend(database, kernel);
}

/** For `podwire apply`, before it repairs pods. Returns why something cannot be mended. */
export async function mendHearing(records: readonly AttachmentRecord[], kernel: Kernel): Promise<string[]> {
  const ports = records.flatMap(({ plan }) => plan.filter((object) => object.kind === "ovs-port"));
  const faults: string[] = [];
  for (const database of new Set(ports.map((port) => port.database))) {
    try {
      if ((await hearingOf(database, kernel)) === "deaf") await attend(database, kernel);
    } catch (error) {
      // One that is down is reported with its pods.
      if (!(error instanceof OvsDownError)) faults.push(toCniError(error).details);
    }
  }
  return faults;
}

/** Calls that come together: the first one's work is that of all. */
async function attend(database: string, kernel: Kernel): Promise<void> {
  makeDirectory(runDirectory, 0o700);
  await withLock(`${stampOf(database)}.lock`, kernel, async () => {
    if (isAttended(database)) return;
    await untilCounted(kernel.deadline);
    const hearing = await hearingOf(database, kernel);
    const bridges = hearing === "hears" ? [] : await openBridges(database, kernel);
    if (bridges.some(({ isOwn }) => !isOwn)) {
      if (hearing === "deaf") throw deaf(database);
      return;
    }
    const removing = bridges.map(({ name }) => ["--if-exists", "del-br", name]);
    if (removing.length > 0) await ovsTransact(database, removing, kernel);
    replaceFile(stampOf(database), identityOf(database));
  });
}

/** For STATUS: throws if no ADD can mend it. */
export async function refuseDeaf(database: string, kernel: Kernel): Promise<void> {
  if ((await hearingOf(database, kernel)) !== "deaf") return;
  if ((await openBridges(database, kernel)).some(({ isOwn }) => !isOwn)) throw deaf(database);
}

interface OpenBridge {
  readonly name: string;
  /** podwire made it, and all ports on it. */
  readonly isOwn: boolean;
}

/** Those that the kernel's datapath is open for. */
async function openBridges(database: string, kernel: Kernel): Promise<OpenBridge[]> {
  const questions = [
    ["--columns=name,datapath_type,external_ids,ports", "list", "Bridge"],
    ["--columns=_uuid,name", "list", "Port"],
    ["--columns=name,external_ids", "list", "Interface"],
  ];
  const [bridges = [], ports = [], interfaces = []] = await ovsRows(database, questions, kernel);
  const labelled = new Set(
    interfaces.filter((row) => labelOf(row, ownerKey) !== undefined).map(({ name }) => name),
  );
  return bridges
    .filter((bridge) => bridge["datapath_type"] !== "netdev")
    .map((bridge) => {
      const names = portsOn(bridge, ports).map(({ name }) => name);
      const isOwn =
        labelOf(bridge, ownerKey) === ownBridge &&
        names.every((name) => name === bridge["name"] || labelled.has(name));
      return { name: String(bridge["name"]), isOwn };
    });
}

function isAttended(database: string): boolean {
  const file = stampOf(database);
  return fs.existsSync(file) && fs.readFileSync(file, "utf8") === identityOf(database);
}

function stampOf(database: string): string {
  return path.join(runDirectory, `hearing${directoryOf(database).replaceAll("/", "-")}`);
}

function identityOf(database: string): string {
  const pid = switchProcess(database) ?? 0;
  return `${pid} ${startedAfterBoot(pid)}`;
}
