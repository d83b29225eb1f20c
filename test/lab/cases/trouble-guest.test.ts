// Guests that end, hang or complain: what a test is told, and what is left of them.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { execa } from "execa";
import { afterAll, describe, expect, test } from "vitest";
import { cannotRunLab } from "../fixture/shared-lab.ts";
import { cacheDirectory } from "../host/cache.ts";
import { type LabOptions, startLab } from "../lab.ts";
import { ground } from "../trouble/ground.ts";
import { processesOf } from "../trouble/traces.ts";

/** Milliseconds after which something is not slow but waits for what never comes. */
const hang = 100_000;

const checkout = path.join(import.meta.dirname, "../../..");

describe.skipIf(cannotRunLab("guests in trouble"))("a guest", () => {
  const { name, env, traces } = ground();
  const names: string[] = [];
  const named = () => {
    names.push(name());
    return names.at(-1) as string;
  };
  // Failed starts leave their consoles there on purpose.
  afterAll(() => {
    for (const each of names)
      fs.rmSync(path.join(cacheDirectory, "logs", each), { recursive: true, force: true });
  });

  /** What the start of a lab that cannot come up says. */
  const refusal = async (options: LabOptions) => {
    const error = await startLab({ nodes: 1, name: named(), ...options }).then(
      async (lab) => lab.stop(),
      (reason: Error) => reason,
    );
    expect(error).toBeInstanceOf(Error);
    return (error as Error).message;
  };

  test("that never comes up is given up after its time, with the end of its console", async () => {
    // Its init is busy with the names of the others.
    const message = await refusal({ kernelArguments: "loglevel=7 podwire.nodes=3000000", bootSeconds: 8 });
    expect(message).toMatch(/^node1 did not come up within 8 s\./);
    expect(message).toMatch(/The end of its console:\n {2}\| \[ +[0-9.]+\] /);
    expect(message.split("\n").length).toBeLessThan(50);
  });

  test("whose kernel panics at boot ends at once, with the reason in front", async () => {
    const message = await refusal({ kernelArguments: "rdinit=/nonexistent root=/dev/none" });
    expect(message).toMatch(/^node1 ended before it was up\./);
    expect(message).toMatch(/Kernel panic - not syncing: VFS: Unable to mount root fs/);
    expect(traces()).toEqual([]);
    expect(
      fs.readFileSync(path.join(cacheDirectory, "logs", names.at(-1) ?? "", "node1.console"), "utf8"),
    ).toMatch(/Kernel panic/);
  });

  test("that panics or powers off fails what it ran, with the reason", { timeout: hang }, async () => {
    const lab = await startLab({ nodes: 2, name: named() });
    try {
      const said = await Promise.all(
        [
          lab.node1.sh("sleep 1; echo c > /proc/sysrq-trigger; sleep 1000", { timeoutSeconds: 600 }),
          lab.node1.sh("sleep 1000", { timeoutSeconds: 600 }),
          lab.node2.sh("echo o > /proc/sysrq-trigger; sleep 1000", { timeoutSeconds: 600 }),
        ].map((command) => command.catch((error: Error) => error.message)),
      );
      const panic = /Kernel panic - not syncing: sysrq/;
      expect(said).toEqual([
        expect.stringMatching(/^node1 ended while it ran: .*sysrq-trigger; sleep 1000/),
        expect.stringMatching(/^node1 ended while it ran: .*sleep 1000/),
        expect.stringMatching(/^node2 ended while it ran: .*The end of its console:.*reboot: Power down$/s),
      ]);
      expect(said.map((message) => panic.test(message))).toEqual([true, true, false]);
      // Nobody answers any more, and nobody is waited for.
      expect(lab.nodes.map((node) => node.isRunning())).toEqual([false, false]);
      await expect(lab.node1.run("true")).rejects.toThrow(/node1/);
      expect(await lab.faults()).toContainEqual(expect.stringMatching(/^node1: .*Kernel panic/));
      expect((await lab.faults()).filter((fault) => fault.startsWith("node2"))).toEqual([]);
      const kept = await lab.keepLogs();
      expect(fs.readFileSync(path.join(kept, "node1.console"), "utf8")).toMatch(/Kernel panic/);

      // Its disk is as it was, and it is as good as new.
      await lab.node1.reset();
      expect(await lab.node1.run("hostname")).toBe("node1");
      // The old connection's end would close the new one.
      const connections = processesOf(lab.record.name).filter((line) => line.endsWith("-M -N node1"));
      expect(connections).toHaveLength(1);
    } finally {
      await lab.stop();
    }
  });

  test("that hangs is waited for as long as was asked, and not when its lab is stopped", {
    timeout: hang,
  }, async () => {
    const lab = await startLab({ nodes: 1, name: named() });
    const slow = lab.node1.sh("echo begun; sleep 1000", { timeoutSeconds: 2 });
    await expect(slow).rejects.toThrow(/^node1 did not finish in time: .*sleep 1000\n {2}\| begun\b/);
    const running = lab.node1.sh("touch /run/begun; sleep 1000", { timeoutSeconds: 600 });
    const said = running.catch((error: Error) => error.message);
    await lab.node1.sh("until [ -e /run/begun ]; do sleep 0.1; done");
    // A guest whose processor stands still.
    process.kill(lab.node1.pid, "SIGSTOP");
    const hung = lab.node1.sh("echo begun", { timeoutSeconds: 2 });
    await expect(hung).rejects.toThrow(/^node1 did not finish in time: .*podwire-lab: ready/s);
    // Twice at once, as impatient hooks do.
    await Promise.all([lab.stop(), lab.stop()]);
    expect(await said).toMatch(/^node1 (is gone: its lab was stopped|ended while it ran|was cut off)/);
    expect(traces()).toEqual([]);
    await lab.stop();
    await expect(lab.node1.run("true")).rejects.toThrow(/^node1 is gone: its lab was stopped/);
  });

  test("whose kernel warns fails the test that it warned in, and no other", async () => {
    const lab = named();
    const results = path.join(fs.mkdtempSync(path.join(os.tmpdir(), "podwire-results-")), "results.json");
    const { all } = await execa(
      process.execPath,
      [
        ...[path.join(checkout, "node_modules/vitest/vitest.mjs"), "run", "--configLoader", "native"],
        ...["--config", "test/lab/trouble/vitest.config.ts"],
        ...["--reporter", "default", "--reporter", "json", `--outputFile.json=${results}`],
      ],
      {
        cwd: checkout,
        reject: false,
        all: true,
        stdin: "ignore",
        env: env({ LAB_NAME: lab, NO_COLOR: "1" }),
      },
    );
    const { testResults } = JSON.parse(fs.readFileSync(results, "utf8"));
    fs.rmSync(path.dirname(results), { recursive: true });
    const outcomes = testResults[0].assertionResults.map(({ title, status }: Record<string, string>) => [
      title,
      status,
    ]);
    expect(outcomes, all).toEqual([
      ["a test during which the kernel warns", "failed"],
      ["a test after it", "passed"],
      ["a test that expects a panic to go unnoticed", "failed"],
    ]);
    expect(all.match(/faults in the guests' kernel logs/g)?.length, all).toBeGreaterThanOrEqual(2);
    expect(all).toMatch(/node1: .*WARNING: .*proc_register/);
    expect(all).toMatch(/node1: .*Kernel panic/);
    const logs = path.join(cacheDirectory, "logs", lab);
    expect(all).toContain(`The consoles and kernel logs are in ${logs}`);
    const log = fs.readFileSync(path.join(logs, "node1.console"), "utf8");
    expect(log).toMatch(/WARNING: .*proc_register.*Kernel panic/s);
  });
});
