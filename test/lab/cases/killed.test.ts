// Killed at any moment and started again: as trouble-killed.test.ts, at many more moments, from an empty cache on too.
// That takes many minutes, so it is for a release.
import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { randomNumbers } from "../../ipam/random.ts";
import { cannotRunFullLab } from "../fixture/shared-lab.ts";
import { ground } from "../trouble/ground.ts";
import { stagesOfStart, startVictim, withoutProcesses } from "../trouble/victim.ts";

const owner = [process.execPath, path.join(import.meta.dirname, "../trouble/owner.ts")];

describe.skipIf(cannotRunFullLab("labs killed at many moments"))("a lab", () => {
  const { mark, name, cache, env, lab, traces } = ground();
  const start = (lab: string, more: Readonly<Record<string, string>> = {}, ...words: string[]) =>
    startVictim([...owner, ...words], env({ LAB_NAME: lab, ...more }));
  const cleanedUp = async (more: Readonly<Record<string, string>> = {}) => {
    await withoutProcesses(mark);
    const { exitCode, stderr } = await lab(["down", "--name", name()], { env: more });
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect(traces()).toEqual([]);
  };

  test.each(Object.entries(stagesOfStart))(
    "killed when %s is swept by the next start, which works",
    async (_, isReached) => {
      const lab = name();
      const first = start(lab);
      await first.until(() => isReached(lab));
      await first.kill();
      const second = start(lab);
      await second.until(() => second.printed().includes("up"));
      await second.kill();
      await cleanedUp();
    },
  );

  const random = randomNumbers(7);
  const moments = Array.from({ length: 20 }, () => random(6000));
  test.each(moments)("killed %i ms after its start leaves nothing that stays", async (moment) => {
    const victim = start(name());
    await sleep(moment);
    await victim.kill();
    await cleanedUp();
  });

  test.each([0, 5, 20, 60, 120, 200])(
    "killed %i ms after it began to stop leaves nothing that stays",
    async (moment) => {
      const victim = start(name(), {}, "stop");
      await victim.until(() => victim.printed().includes("stopping"));
      await sleep(moment);
      await victim.kill();
      await cleanedUp();
    },
  );

  test("comes up while others sweep all the time", async () => {
    const victim = start(name());
    let isUp = false;
    const sweeping = (async () => {
      while (!isUp) expect((await lab(["down", "--name", name()])).exitCode).toBe(0);
    })();
    await victim.until(() => victim.printed().includes("up"));
    isUp = true;
    await sweeping;
    await victim.kill();
    await cleanedUp();
  });

  /** The directory of the build that is under way. */
  const building = (directory: string): string => {
    const own = path.join(directory, "podwire-lab");
    const found = fs.readdirSync(own).find((entry) => entry.startsWith(".building-"));
    return path.join(own, found ?? "none");
  };
  const isThere = (...segments: string[]) => fs.existsSync(path.join(...segments));
  const momentsOfBuilds = [
    {
      when: "packages of the root file system are fetched",
      finished: [],
      seen: "tree/var/cache/apt/archives/partial",
    },
    { when: "packages of the root file system are unpacked", finished: [], seen: "tree/usr/sbin" },
    { when: "the root file system's image is written", finished: [], seen: "root.ext4" },
    { when: "a kernel's packages are fetched", finished: ["root"], seen: "work/packages" },
    { when: "a kernel's packages are unpacked", finished: ["root"], seen: "work/tree" },
    { when: "a kernel's modules become an image", finished: ["root"], seen: "modules.ext4" },
  ] as const;
  test.each(momentsOfBuilds)("killed when $when leaves nothing that stays", async ({ finished, seen }) => {
    const directory = cache(finished);
    const settings = { PODWIRE_LAB_CACHE: directory };
    const victim = start(name(), settings);
    await victim.until(() => isThere(building(directory), seen));
    await victim.kill();
    await withoutProcesses(mark);
    expect(traces()).toEqual([building(directory)]);
    await cleanedUp(settings);
  });

  test("is started twice at once from an empty cache, after a third one was killed", async () => {
    const directory = cache();
    const settings = { PODWIRE_LAB_CACHE: directory };
    const killed = start(name(), settings);
    await killed.until(() => isThere(building(directory), "tree/usr"));
    await killed.kill();
    const both = [start(name(), settings), start(name(), settings)];
    await Promise.all(both.map((each) => each.until(() => each.printed().includes("up"))));
    const products = fs
      .readdirSync(`${directory}/podwire-lab`)
      .filter((entry) => !["labs", "logs"].includes(entry));
    expect(products.map((entry) => entry.replace(/-[0-9a-f]{12}$/, "")).sort()).toEqual([
      "kernel-6.1",
      "root",
    ]);
    for (const each of both) await each.kill();
    await cleanedUp(settings);
  });
});
