// Several processes at once at the register of labs, and what those left there that were killed.
import fs from "node:fs";
import path from "node:path";
import { execa } from "execa";
import { describe, expect, test } from "vitest";
import { cannotRunLab } from "../fixture/shared-lab.ts";
import { enter } from "../machine/entry.ts";
import { find, isAbandoned, type LabRecord } from "../machine/record.ts";
import { remove, sweep } from "../machine/removal.ts";
import { ground } from "../trouble/ground.ts";

const registry = "/run/podwire-lab";

describe.skipIf(cannotRunLab("the register of labs"))("the register of labs", () => {
  const { name, cache } = ground();
  const disksDirectory = () => path.join(cache(), "podwire-lab/labs");
  const entered = (lab: string, disks = disksDirectory()) =>
    enter({ name: lab, disksDirectory: disks, kernel: "6.1", accelerator: "tcg", nodes: 1, memory: 256 });
  /** As if its owner had been killed, and another process had its number by now. */
  const abandon = (record: LabRecord) => {
    const owner = { ...record.owner, startTime: "1" };
    fs.writeFileSync(path.join(record.directory, "lab.json"), JSON.stringify({ ...record, owner }));
  };

  test("gives a name to one of many who ask at once", async () => {
    const lab = name();
    const asked = await Promise.allSettled(Array.from({ length: 5 }, () => entered(lab)));
    const given = asked.filter(({ status }) => status === "fulfilled");
    expect(given).toHaveLength(1);
    await remove((given[0] as PromiseFulfilledResult<LabRecord>).value);
  });

  test("knows a lab whose owner lives from one whose owner is gone or out of sight", async () => {
    const record = await entered(name());
    expect(isAbandoned(record)).toBe(false);
    abandon(record);
    const abandoned = find(record.name) as LabRecord;
    expect(isAbandoned(abandoned)).toBe(true);
    const owner = { pid: 1, startTime: "1", pidNamespace: "pid:[1]" };
    expect(isAbandoned({ ...record, owner })).toBe(false);
    await remove(record);
  });

  test("is swept of abandoned labs and their disks, and of nothing else", async () => {
    const disks = disksDirectory();
    const [living, abandoned] = [await entered(name(), disks), await entered(name(), disks)];
    fs.mkdirSync(path.join(disks, "of-no-lab"));
    abandon(abandoned);
    expect(await sweep(disks)).toContain(abandoned.name);
    expect(find(abandoned.name)).toBeUndefined();
    expect(find(living.name)).toEqual(living);
    expect(fs.readdirSync(disks)).toEqual([living.name]);
    await remove(living);
  });

  test("is swept of what its own work left half done, and only of that of the dead", async () => {
    const disks = disksDirectory();
    const record = await entered(name(), disks);
    await execa("ip", ["netns", "add", record.netns]);
    // Whose names they have is what tells: process 1 lives, and started at another time than that.
    const namespace = record.owner?.pidNamespace;
    const dead = `1-1-${namespace}`;
    const living = `${process.pid}-${record.owner?.startTime}-${namespace}`;
    fs.renameSync(record.directory, `${registry}/.removing-${record.name}.${dead}`);
    fs.mkdirSync(`${registry}/.entering-${record.name}.${dead}`);
    fs.mkdirSync(`${registry}/.entering-${record.name}.${living}`);
    await sweep(disks);
    const left = fs.readdirSync(registry).filter((entry) => entry.includes(record.name));
    expect(left).toEqual([`.entering-${record.name}.${living}`]);
    expect(fs.existsSync(`/run/netns/${record.netns}`)).toBe(false);
    expect(fs.readdirSync(disks)).toEqual([]);
    fs.rmdirSync(`${registry}/.entering-${record.name}.${living}`);
  });

  test("is swept of a name whose lab was killed while it was taken away", async () => {
    const disks = disksDirectory();
    const lab = name();
    fs.mkdirSync(`${registry}/${lab}`, { recursive: true });
    fs.writeFileSync(`${registry}/${lab}/client_key`, "");
    try {
      await sweep(disks);
      await remove(await entered(lab, disks));
    } finally {
      fs.rmSync(`${registry}/${lab}`, { recursive: true, force: true });
    }
  });

  test("keeps a lab that took the name of one that a slow sweep still has in its list", async () => {
    const disks = disksDirectory();
    const [slow, next] = [await entered(name(), disks), await entered(name(), disks)];
    // A namespace takes programs to remove, and so time.
    await execa("ip", ["netns", "add", slow.netns]);
    abandon(slow);
    abandon(next);
    const sweeping = sweep(disks);
    await remove(next);
    const successor = await entered(next.name, disks);
    await sweeping;
    expect(find(next.name)).toEqual(successor);
    expect(fs.existsSync(successor.disks)).toBe(true);
    await remove(successor);
  });

  test("lets a name wait for its last lab to be gone altogether", async () => {
    const disks = disksDirectory();
    const last = await entered(name(), disks);
    await execa("ip", ["netns", "add", last.netns]);
    const removing = remove(last);
    const successor = await entered(last.name, disks);
    expect(fs.existsSync(`/run/netns/${last.netns}`)).toBe(false);
    await removing;
    expect(fs.existsSync(successor.disks)).toBe(true);
    await remove(successor);
  });

  test("may be swept by many at once", async () => {
    const disks = disksDirectory();
    const records = [await entered(name(), disks), await entered(name(), disks)];
    for (const record of records) {
      await execa("ip", ["netns", "add", record.netns]);
      abandon(record);
    }
    await Promise.all(Array.from({ length: 4 }, () => sweep(disks)));
    expect(records.map((record) => find(record.name))).toEqual([undefined, undefined]);
  });
});
