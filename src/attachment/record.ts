// The record of an attachment: the intent log from which DEL, GC and the next ADD work. It is written
// before the first change to the kernel and removed after the last, always whole.
import fs from "node:fs";
import path from "node:path";
import { CniError, ErrorCode } from "../cni/error.ts";
import type { Interface, IpConfig } from "../cni/result.ts";
import type { AttachmentName } from "../datapath/datapath.ts";
import { type DatapathName, datapaths } from "../datapath/registry.ts";
import { createFile, makeDirectory, replaceFile, temporaryWriter } from "../linux/files.ts";
import type { NetnsIdentity } from "../linux/netns.ts";
import type { ProcessIdentity } from "../linux/process.ts";
import { type PodObject, type PodPlan, podObjectKinds } from "../plan/plan.ts";

export const stateDirectory = "/var/lib/podwire";

/** Stands in the file; a file of another format is treated as a torn one. */
const format = 1;

export interface AttachmentRecord extends AttachmentName {
  readonly format: typeof format;
  /** "adding" until ADD has succeeded. */
  readonly state: "adding" | "ready";
  readonly writer: ProcessIdentity;
  readonly bootId: string;
  /** ISO 8601. */
  readonly createdAt: string;
  readonly netns: { readonly path: string; readonly identity: NetnsIdentity };
  readonly datapath: DatapathName;
  readonly pod?: { readonly name?: string; readonly namespace?: string; readonly uid?: string };
  /** The configuration of ADD, with which its IPAM is asked to release. */
  readonly rawConfig: Readonly<Record<string, unknown>>;
  /** CNI_ARGS of ADD. */
  readonly args: string;
  /** Empty while nothing of it can exist yet. */
  readonly plan: PodPlan;
  readonly interfaces: readonly Interface[];
  readonly ips: readonly IpConfig[];
  /** As the IPAM gave them: with the prefix length of their subnet. */
  readonly leased: readonly IpConfig[];
}

/** A record, "torn" if the file is none that podwire could have written whole, or undefined. */
export type StoredRecord = AttachmentRecord | "torn" | undefined;

/** Claims the attachment. Returns false if it has a record already. */
export function createRecord(record: AttachmentRecord): boolean {
  return inNetworkDirectory(record, (file) => createFile(file, serialize(record)));
}

/** Makes a file there; `write` is told the name of the attachment's record. */
export function inNetworkDirectory<T>(name: AttachmentName, write: (file: string) => T): T {
  return storing(name, (file) => {
    for (;;) {
      makeDirectory(path.dirname(file), 0o700);
      try {
        return write(file);
      } catch (error) {
        // The DEL of the network's last attachment removes the directory.
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      }
    }
  });
}

export function replaceRecord(record: AttachmentRecord): void {
  storing(record, (file) => replaceFile(file, serialize(record)));
}

export function readRecord(name: AttachmentName): StoredRecord {
  return readRecordFile(recordFile(name), name)?.stored;
}

/** The record in `file` with the text that it was read from; undefined if there is no such file. */
export function readRecordFile(
  file: string,
  name: AttachmentName,
): { text: string; stored: AttachmentRecord | "torn" } | undefined {
  try {
    const text = fs.readFileSync(file, "utf8");
    return { text, stored: parseRecord(text, name) };
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

export function removeRecord(name: AttachmentName): void {
  removeRecordFile(recordFile(name), name);
}

/** Also removes what a killed podwire was still writing, and the network's directory with its last record. */
export function removeRecordFile(file: string, name: AttachmentName): void {
  const directory = networkDirectory(name.network);
  fs.rmSync(file, { force: true });
  const entries = listDirectory(directory);
  for (const entry of entries) {
    if (isAbandoned(entry, name)) fs.rmSync(path.join(directory, entry), { force: true });
  }
  if (entries.length > 1) return;
  try {
    fs.rmdirSync(directory);
  } catch {
    // Others are left.
  }
}

/** A temporary file whose writer is dead. */
function isAbandoned(entry: string, name: AttachmentName): boolean {
  const pid = temporaryWriter(entry, recordFile(name));
  return pid !== undefined && !fs.existsSync(`/proc/${pid}`);
}

/** Names of the attachments that have a record, torn or not, or one that is being removed. */
export function listRecords(network: string): AttachmentName[] {
  const keys = listDirectory(networkDirectory(network)).flatMap(
    (entry) => recordEntry.exec(entry)?.[1] ?? [],
  );
  return [...new Set(keys)].map((key) => {
    const [containerID = "", ifname = ""] = key.split(":");
    return { network, containerID, ifname };
  });
}

/** Whether a network has pods. */
export function isInUse(network: string): boolean {
  return listRecords(network).length > 0;
}

/** "CONTAINER:IFNAME.json", or ".CONTAINER:IFNAME.json.OWNER.removing" (ownership.ts). */
const recordEntry = /^\.?([a-zA-Z0-9][^:]*:[^:]+)\.json(?:\.[^.]+\.removing)?$/;

function listNetworks(): string[] {
  return listDirectory(stateDirectory).filter((entry) => !entry.startsWith("."));
}

export function listAllRecords(): AttachmentName[] {
  return listNetworks().flatMap(listRecords);
}

/** What attachments of all networks are recorded to have; undefined if a record is torn, and may say anything. */
export function recordedPlans(): PodPlan[] | undefined {
  const records = allRecords();
  return records.includes("torn") ? undefined : wholeRecords(records).map(({ plan }) => plan);
}

export function allRecords(): StoredRecord[] {
  return listAllRecords().map(readRecord);
}

export function wholeRecords(records: readonly StoredRecord[]): AttachmentRecord[] {
  return records.flatMap((record) => (record === undefined || record === "torn" ? [] : [record]));
}

export function networkDirectory(network: string): string {
  return path.join(stateDirectory, network);
}

export function recordFile({ network, containerID, ifname }: AttachmentName): string {
  return path.join(networkDirectory(network), `${containerID}:${ifname}.json`);
}

function serialize(record: AttachmentRecord): string {
  return `${JSON.stringify(record, undefined, 1)}\n`;
}

function parseRecord(text: string, name: AttachmentName): AttachmentRecord | "torn" {
  try {
    const record = JSON.parse(text) as Partial<AttachmentRecord>;
    const isWhole =
      record.format === format &&
      record.network === name.network &&
      record.containerID === name.containerID &&
      record.ifname === name.ifname &&
      Object.hasOwn(datapaths, record.datapath ?? "") &&
      typeof record.args === "string" &&
      typeof record.writer?.pid === "number" &&
      typeof record.netns?.path === "string" &&
      typeof (record.rawConfig as { ipam?: { type?: unknown } } | undefined)?.ipam?.type === "string" &&
      isPlan(record.plan);
    return isWhole ? (record as AttachmentRecord) : "torn";
  } catch {
    return "torn";
  }
}

/** Whether removal can go by it: another version of podwire may know other objects. */
function isPlan(plan: unknown): boolean {
  return (
    Array.isArray(plan) &&
    plan.every((object) => Object.hasOwn(podObjectKinds, (object as PodObject | null)?.kind ?? ""))
  );
}

export function listDirectory(directory: string): string[] {
  try {
    return fs.readdirSync(directory);
  } catch (error) {
    if (isAbsent(error)) return [];
    throw error;
  }
}

function isAbsent(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === "ENOENT" || code === "ENOTDIR";
}

/** Throws code 5 if no record could be written. */
export function requireWritableState(): void {
  storing({ network: "", containerID: "", ifname: "" }, () => {
    makeDirectory(stateDirectory, 0o700);
    fs.accessSync(stateDirectory, fs.constants.W_OK | fs.constants.X_OK);
  });
}

function storing<T>(name: AttachmentName, write: (file: string) => T): T {
  try {
    return write(recordFile(name));
  } catch (error) {
    throw new CniError(
      ErrorCode.io,
      "the attachment's record cannot be written",
      `${stateDirectory}: ${error instanceof Error ? error.message : error}; podwire needs space and write access there`,
      { cause: error },
    );
  }
}
