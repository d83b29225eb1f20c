// Labs that are being entered or removed, and by whom.
import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  formatIdentity,
  ownIdentity,
  type ProcessIdentity,
  parseIdentity,
} from "../../../src/linux/process.ts";
import { LabError } from "../failure.ts";
import { type LabRecord, readRecord, registryDirectory } from "./record.ts";

/** ".removing-NAME.PID-START-PIDNS": what is under way, and whose it is. */
export function unfinishedName(what: "entering" | "removing", name: string): string {
  return `.${what}-${name}.${formatIdentity(ownIdentity())}`;
}

interface Unfinished {
  readonly directory: string;
  readonly what: "entering" | "removing";
  readonly owner: ProcessIdentity;
}

export function unfinished(): Unfinished[] {
  const entries = fs.existsSync(registryDirectory) ? fs.readdirSync(registryDirectory) : [];
  return entries.flatMap((entry) => {
    const [, what, identity = ""] = /^\.(entering|removing)-[a-z0-9-]+\.(.+)$/.exec(entry) ?? [];
    if (what !== "entering" && what !== "removing") return [];
    return { directory: path.join(registryDirectory, entry), what, owner: parseIdentity(identity) };
  });
}

/** Labs that are being removed. */
export function removals(): LabRecord[] {
  return unfinished()
    .filter(({ what }) => what === "removing")
    .flatMap(({ directory }) => readRecord(directory) ?? []);
}

/** Namespace and disks have the lab's name until they are gone. */
export async function outlastRemovals(name: string): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (removals().some((record) => record.name === name)) {
    if (Date.now() > deadline) throw new LabError(`the earlier lab "${name}" is still being removed`);
    await sleep(50);
  }
}
