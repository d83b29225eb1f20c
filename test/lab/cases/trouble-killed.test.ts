// Owners of labs that are killed, and those who clean up after them: a few moments of many, which killed.test.ts has.
import fs from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { cannotRunLab } from "../fixture/shared-lab.ts";
import { find } from "../machine/record.ts";
import { ground } from "../trouble/ground.ts";
import { silentMirror } from "../trouble/mirrors.ts";
import { processesOf } from "../trouble/traces.ts";
import { stagesOfStart, startVictim, withoutProcesses } from "../trouble/victim.ts";

const owner = [process.execPath, path.join(import.meta.dirname, "../trouble/owner.ts")];
const up = [process.execPath, path.join(import.meta.dirname, "../cli.ts"), "up"];

describe.skipIf(cannotRunLab("killed owners of labs"))("what is left by", () => {
  const { mark, name, cache, env, lab, traces } = ground();
  /** Any start of a lab on this machine may have done it before. */
  const isSwept = async (lab1: string) => {
    const { exitCode, stdout, stderr } = await lab(["down", "--name", lab1]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect(stdout).toMatch(/^(Removed: |There is no lab )/);
    expect(traces()).toEqual([]);
  };

  test.each(["its network namespace is there", "its QEMU runs"])(
    "an owner killed when %s holds no process, and the next command removes it",
    async (stage) => {
      const name1 = name();
      const victim = startVictim(owner, env({ LAB_NAME: name1 }));
      await victim.until(() => stagesOfStart[stage]?.(name1) ?? false);
      await victim.kill();
      await withoutProcesses(mark);
      expect((await lab(["status"])).stdout).toMatch(new RegExp(`${name1} .*left over`));
      await isSwept(name1);
    },
  );

  test("an owner of a lab that is up holds no process, and the next start of that name removes it", async () => {
    const name1 = name();
    const first = startVictim(owner, env({ LAB_NAME: name1 }));
    await first.until(() => first.printed().includes("up"));
    await first.kill();
    await withoutProcesses(mark);
    const second = startVictim(owner, env({ LAB_NAME: name1 }));
    await second.until(() => second.printed().includes("up"));
    expect(find(name1)?.owner?.pid).toBe(second.child.pid);
    await second.kill();
    await withoutProcesses(mark);
    // All at once: each removes it, or finds that another one does.
    const downs = await Promise.all([1, 2, 3, 4].map(() => lab(["down", "--name", name1])));
    for (const { exitCode, stderr } of downs)
      expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect(traces()).toEqual([]);
  });

  test.each(["its disk is there", "its QEMU runs"])(
    "an up that is interrupted when %s is nothing",
    async (stage) => {
      const name1 = name();
      const victim = startVictim([...up, "--nodes", "1", "--name", name1], env());
      await victim.until(() => stagesOfStart[stage]?.(name1) ?? false);
      await victim.kill("SIGINT");
      expect(victim.child.exitCode, victim.printed()).toBe(130);
      expect(traces()).toEqual([]);
    },
  );

  test("an up that is killed, whose guest was to stay, is removed by the next command", async () => {
    const name1 = name();
    const victim = startVictim([...up, "--nodes", "1", "--name", name1], env());
    await victim.until(() => stagesOfStart["its QEMU runs"]?.(name1) ?? false);
    await victim.kill();
    await isSwept(name1);
  });

  test.each([
    { what: "the root file system is fetched", finished: [] },
    { what: "a kernel is fetched", finished: ["root"] },
  ] as const)(
    "a start that is killed while $what is one directory, which the next command removes",
    async ({ finished }) => {
      const mirror = await silentMirror();
      const settings = { PODWIRE_LAB_CACHE: cache(finished), PODWIRE_LAB_MIRROR: mirror.address };
      try {
        const victim = startVictim([...up, "--name", name()], env(settings));
        await victim.until(() => mirror.connections() > 0);
        expect(processesOf(mark).join("\n")).toMatch(/apt-get update.*\n(.*\n)*.*methods\/http/);
        await victim.kill();
        await withoutProcesses(mark);
        expect(traces()).toHaveLength(1);
        expect((await lab(["down"], { env: settings })).exitCode).toBe(0);
        expect(traces()).toEqual([]);
      } finally {
        await mirror.stop();
      }
    },
  );

  test("a lab that is taken down while it starts is nothing, and its start says that it failed", async () => {
    const name1 = name();
    const starting = startVictim([...up, "--nodes", "1", "--name", name1], env());
    await starting.until(() => stagesOfStart["its QEMU runs"]?.(name1) ?? false);
    expect((await lab(["down", "--name", name1])).exitCode).toBe(0);
    await starting.ended;
    expect(starting.child.exitCode).toBe(1);
    expect(starting.printed()).toMatch(/^lab: /);
    expect(starting.printed()).not.toMatch(/\n\s+at /);
    expect(traces()).toEqual([]);
  });

  test("others in the directory that is named for the cache stays there", async () => {
    const shared = cache();
    const precious = path.join(shared, "labs/precious");
    fs.mkdirSync(precious, { recursive: true });
    expect((await lab(["down", "--name", name()], { env: { PODWIRE_LAB_CACHE: shared } })).exitCode).toBe(0);
    expect(fs.existsSync(precious)).toBe(true);
  });
});
