// A lab is entered before anything of it is made, so that whatever a killed owner leaves is found and removed by the
// next (removal.ts).
import fs from "node:fs";
import path from "node:path";
import { ownIdentity } from "../../../src/linux/process.ts";
import { LabError } from "../failure.ts";
import { directoryOf, type LabRecord, registryDirectory, write } from "./record.ts";
import { outlastRemovals, unfinishedName } from "./unfinished.ts";

export type LabPlan = Pick<LabRecord, "name" | "kernel" | "accelerator" | "nodes" | "memory"> & {
  /** Directory for disks and consoles of all labs. */
  readonly disksDirectory: string;
};

/** Throws if the name is taken, be it by another lab or by a network namespace that is none of a lab. */
export async function enter(plan: LabPlan): Promise<LabRecord> {
  const { name, disksDirectory, ...rest } = plan;
  const directory = directoryOf(name);
  const record: LabRecord = {
    ...rest,
    name,
    netns: `pwlab-${name}`,
    directory,
    disks: path.join(disksDirectory, name),
    owner: ownIdentity(),
    started: new Date().toISOString(),
  };
  fs.mkdirSync(registryDirectory, { recursive: true, mode: 0o700 });
  await outlastRemovals(name);
  const prepared = path.join(registryDirectory, unfinishedName("entering", name));
  fs.mkdirSync(prepared);
  write(prepared, record);
  try {
    // An existing lab's directory is not empty, so it is not replaced.
    fs.renameSync(prepared, directory);
  } catch (error) {
    fs.rmSync(prepared, { recursive: true });
    throw new LabError(
      `there is a lab of the name "${name}" already: choose another one by --name, or end that one by ` +
        `npm run lab -- down --name ${name}`,
      undefined,
      { cause: error },
    );
  }
  if (fs.existsSync(`/run/netns/${record.netns}`)) {
    fs.renameSync(directory, prepared);
    fs.rmSync(prepared, { recursive: true });
    throw new LabError(
      `the network namespace ${record.netns} exists already and belongs to no lab: choose another name, or ` +
        `remove it by ip netns delete ${record.netns}`,
    );
  }
  fs.mkdirSync(record.disks, { recursive: true });
  return record;
}

/** From now on the lab outlives its maker. */
export function keep({ owner: _, ...record }: LabRecord): LabRecord {
  write(record.directory, record);
  return record;
}
