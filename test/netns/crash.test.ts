// A podwire that is killed at any moment: what DEL, or the next ADD, finds and makes of it. The moments are system
// calls (strace kills just before each), programs started (scripts in PATH kill their parent), and the clock.
import fs from "node:fs";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type CniCall, cni, dualStackIpam, network, succeed } from "../fixture/calls.ts";
import {
  machineState,
  masqueradedAddresses,
  processesOf,
  storedFiles,
  withoutForwarding,
} from "../fixture/machine-state.ts";
import { executable, referencePluginDir, startNode, type TestNode } from "../fixture/node.ts";
import { locate, pluginDirectory, podwireWith } from "../fixture/programs.ts";
import { shape } from "../fixture/shape/shape.ts";

const config = network({ ipMasq: true, ipam: dualStackIpam });

let node: TestNode;
let clean: string;
beforeAll(async () => {
  node = await startNode();
  await node.addPod("pod1");
  // Forwarding and the empty nftables sets are there from the first pod on.
  await succeed(node, { verb: "ADD", config });
  await succeed(node, { verb: "DEL", config });
  clean = withoutForwarding(await machineState(node, "pod1"));
});
afterAll(async () => node.stop());
afterEach(async () => {
  // For the tests after one that failed.
  await cni(node, { verb: "DEL", config });
  await node.attempt("sh", [
    "-c",
    "ip -n pod1 link del eth0; rm -rf /var/lib/podwire/* /var/lib/cni/networks/podnet",
  ]);
});

/** As a runtime would after a crash: DEL, or the same ADD again. */
async function expectRecovery(after: "DEL" | "ADD", moment: string): Promise<void> {
  if (after === "ADD") {
    const { json: prevResult } = await succeed(node, { verb: "ADD", config });
    await succeed(node, { verb: "CHECK", config: { ...config, prevResult } });
    expect(await shape.hostEnds(node), moment).toHaveLength(shape.hostEndsOf(1));
    expect(
      (await storedFiles(node)).filter((file) => file.includes("/networks/")),
      moment,
    ).toHaveLength(2);
    expect(await masqueradedAddresses(node), moment).toHaveLength(2);
  }
  await succeed(node, { verb: "DEL", config });
  expect(withoutForwarding(await machineState(node, "pod1")), moment).toBe(clean);
}

/** Calls with the plugin and expects it to be killed, which it returns, or to have been through before. */
async function crash(call: Omit<CniCall, "config"> & { config?: object }): Promise<boolean> {
  const answer = await cni(node, { config, ...call }).catch((error: unknown) => {
    // Killed while it printed its result.
    if (error instanceof SyntaxError) return { exitCode: undefined, stdout: "" };
    throw error;
  });
  // Of one that a shell started 137 tells.
  const wasKilled = answer.exitCode === undefined || answer.exitCode === 137;
  if (!wasKilled) expect(answer.exitCode, answer.stdout).toBe(0);
  return wasKilled && answer.stdout === "";
}

const hasStrace = fs.existsSync("/usr/bin/strace");
if (!hasStrace) console.warn("strace is missing: crashes at each system call are not tested");

/** System calls by which podwire's own process changes files, or starts programs: those of each verb. */
const starting = "vfork,clone,clone3,fork";
const changing = {
  ADD: ["link", "rename", "unlink", "mkdir", "fsync", starting],
  // Removing a link that pods share is announced in a directory.
  DEL: [
    "rename",
    "unlink",
    "rmdir",
    starting,
    ...(shape.hostEndsOf(2) < 2 * shape.hostEndsOf(1) ? ["mkdir"] : []),
  ],
};

function killedAt(calls: string, occurrence: number): string {
  const name = `/run/killed-${calls.replaceAll(",", "-")}-${occurrence}`;
  const known = calls
    .split(",")
    .map((call) => `?${call}`)
    .join(",");
  const variants = ["link", "rename", "unlink", "mkdir"].includes(calls) ? `,?${calls}at` : "";
  const set = `${known}${variants}`;
  const inject = `inject=${set}:signal=KILL:when=${occurrence}`;
  const script = `#!/bin/sh\nexec strace -o /dev/null -e trace=${set} -e ${inject} ${executable}\n`;
  fs.writeFileSync(node.file(name), script, { mode: 0o755 });
  return name;
}

/** Kills at each of the calls, the first, the second and so on, until one call of the plugin is through. */
async function crashAtEach(calls: string, crashAt: (plugin: string, moment: string) => Promise<boolean>) {
  let crashes = 0;
  const isKilled = (occurrence: number) =>
    crashAt(killedAt(calls, occurrence), `killed before ${calls} number ${occurrence}`);
  while (await isKilled(crashes + 1)) expect(++crashes, "there is no end to them").toBeLessThan(50);
  expect(crashes, `crashes at ${calls}`).toBeGreaterThan(0);
}

describe.skipIf(!hasStrace)("ADD killed before each system call that changes something", () => {
  describe.each(["DEL", "ADD"] as const)("is undone by %s:", (after) => {
    test.each(changing.ADD)("%s", async (calls) => {
      await crashAtEach(calls, async (plugin, moment) => {
        const isKilled = await crash({ verb: "ADD", plugin });
        if (isKilled) await expectRecovery(after, moment);
        else await succeed(node, { verb: "DEL", config });
        return isKilled;
      });
    });
  });
});

describe.skipIf(!hasStrace)("DEL killed before each system call that changes something", () => {
  test.each(changing.DEL)("is finished by the next DEL: %s", async (calls) => {
    await crashAtEach(calls, async (plugin, moment) => {
      await succeed(node, { verb: "ADD", config });
      const isKilled = await crash({ verb: "DEL", plugin });
      await expectRecovery("DEL", moment);
      return isKilled;
    });
  });
});

describe("ADD killed around each program that it starts", () => {
  const real = (program: string) => `${locate(program)} "$@"`;
  const moments = {
    "before it does its work": (program: string) => `kill -9 $PPID; exit 1; ${program}`,
    "while it does its work": (program: string) => `kill -9 $PPID; exec ${real(program)}`,
    "after it did its work": (program: string) => `${real(program)}; kill -9 $PPID`,
    "long before it does its work": (program: string) =>
      `input=$(cat); kill -9 $PPID; sleep 0.3; echo "$input" | ${real(program)}`,
  };
  const cases = Object.entries(moments).flatMap(([moment, script]) =>
    shape.programs.map((program) => [program, moment, script(program)] as const),
  );
  test.each(cases)("%s, %s, is undone by DEL and by ADD", async (program, moment, body) => {
    for (const after of ["DEL", "ADD"] as const) {
      for (const run of [1, 2]) {
        fs.rmSync(node.file("/run/runs"), { force: true });
        const count = `echo >> /run/runs; [ $(wc -l < /run/runs) = ${run} ] || exec ${real(program)}`;
        const plugin = podwireWith(node, { [program]: `${count}\n${body}` });
        if (!(await crash({ verb: "ADD", plugin }))) {
          expect(run, "all are started once, some twice").toBe(2);
          await succeed(node, { verb: "DEL", config });
          continue;
        }
        // Before it has a record an ADD only asks, and nobody needs to end that.
        if (moment.startsWith("long") && (await storedFiles(node)).length === 0)
          await node.run("sleep", "0.4");
        await expectRecovery(after, `${program} ${moment}, run ${run}, then ${after}`);
      }
    }
    // What was started by the dead one and still slept.
    if (moment.startsWith("long")) await node.run("sleep", "0.4");
    expect(withoutForwarding(await machineState(node, "pod1"))).toBe(clean);
  });
});

describe("DEL killed around each program that it starts", () => {
  test.each(["ip", "nft"])("%s is finished by the next DEL", async (program) => {
    const real = `${locate(program)} "$@"`;
    for (const body of [`kill -9 $PPID; exec ${real}`, `${real}; kill -9 $PPID`]) {
      await succeed(node, { verb: "ADD", config });
      expect(await crash({ verb: "DEL", plugin: podwireWith(node, { [program]: body }) })).toBe(true);
      await expectRecovery("DEL", body);
    }
  });
});

describe("DEL that ends while a delegated IPAM works", () => {
  const delegated = { ...config, ipam: { type: "stub" } };
  const answer = '{"cniVersion":"1.1.0","ips":[{"address":"10.244.1.9/24"}]}';
  const healthy = () => pluginDirectory(node, { stub: `cat > /dev/null; echo '${answer}'` });

  test.each(["DEL", "ADD"])("leaves no program to it once %s has cleared away what it left", async (verb) => {
    await node.run("rm", "-f", "/run/go", "/run/late");
    const hanging = "kill -9 $PPID; until [ -e /run/go ]; do sleep 0.01; done; touch /run/late";
    await succeed(node, { verb: "ADD", config: delegated, path: healthy() });
    const path = pluginDirectory(node, { stub: hanging });
    expect(await crash({ verb: "DEL", config: delegated, path })).toBe(true);
    await succeed(node, { verb, config: delegated, path: healthy() });
    await node.run("sh", "-c", "touch /run/go; sleep 0.3");
    expect(await node.has("/run/late")).toBe(false);
    await succeed(node, { verb: "DEL", config: delegated, path: healthy() });
  });

  test.each([
    ["was killed", "kill -9 $PPID"],
    ["was refused", "exit 1"],
  ])("leaves a pod that has the address since as it is, when a DEL is repeated that %s", async (_, end) => {
    await succeed(node, { verb: "ADD", config: delegated, path: healthy() });
    const path = pluginDirectory(node, { stub: end });
    const { exitCode } = await cni(node, { verb: "DEL", config: delegated, path });
    expect(exitCode).toBe(end === "exit 1" ? 1 : undefined);
    await node.addPod("pod2");
    const call = { container: "pod2", path: healthy() };
    const { json: prevResult } = await succeed(node, { verb: "ADD", config: delegated, ...call });
    const refusing = pluginDirectory(node, { stub: "exit 1" });
    for (const verb of ["DEL", "ADD"])
      expect((await cni(node, { verb, config: delegated, path: refusing })).exitCode).not.toBe(0);
    // Of the ADD that could not finish the DEL nothing stays.
    expect((await storedFiles(node)).filter((file) => file.endsWith("/pod1:eth0.json"))).toEqual([]);
    await succeed(node, { verb: "DEL", config: delegated, path: healthy() });
    await succeed(node, { verb: "CHECK", config: { ...delegated, prevResult }, ...call });
    await succeed(node, { verb: "DEL", config: delegated, ...call });
    await node.run("ip", "netns", "delete", "pod2");
    expect(withoutForwarding(await machineState(node, "pod1"))).toBe(clean);
  });
});

test("a DEL that is repeated puts back what a pod has that was given the address meanwhile", async () => {
  const address = '{"cniVersion":"1.1.0","ips":[{"address":"10.244.1.9/24"}]}';
  const delegated = { ...config, ipam: { type: "stub" } };
  const stub = `cat > /dev/null; [ $CNI_COMMAND = ADD ] || [ -e /run/killed ] || { touch /run/killed; kill -9 $PPID; }; echo '${address}'`;
  const path = pluginDirectory(node, { stub });
  await node.run("rm", "-f", "/run/killed", "/run/held", "/run/go");
  await succeed(node, { verb: "ADD", config: delegated, path });
  expect(await crash({ verb: "DEL", config: delegated, path })).toBe(true);
  const slow = `touch /run/held; until [ -e /run/go ]; do sleep 0.01; done; exec ${locate("nft")} "$@"`;
  const plugin = podwireWith(node, { nft: slow });
  const deleting = succeed(node, { verb: "DEL", config: delegated, path, plugin });
  await node.run("sh", "-c", "until [ -e /run/held ]; do sleep 0.01; done");
  await node.addPod("pod2");
  const call = { container: "pod2", path };
  const { json: prevResult } = await succeed(node, { verb: "ADD", config: delegated, ...call });
  await node.run("touch", "/run/go");
  await deleting;
  await succeed(node, { verb: "CHECK", config: { ...delegated, prevResult }, ...call });
  await succeed(node, { verb: "DEL", config: delegated, ...call });
  await node.run("ip", "netns", "delete", "pod2");
});

describe("killed by the clock", () => {
  /** What a verb has left that had begun and was not through. */
  const halfway = {
    ADD: 'grep -rlF \'"state": "adding"\' /var/lib/podwire',
    DEL: "find /var/lib/podwire -name '*.removing' | grep .",
  };

  test.each(["ADD", "DEL"] as const)("%s is undone or finished at every moment", async (verb) => {
    // What a shell starts in the background reads nothing, unless it is told to.
    const call = `exec 3<&0\n${executable} <&3 &\npid=$!`;
    const script = `#!/bin/sh\n${call}\nsleep $DELAY\nkill -9 $pid\nwait $pid\n`;
    fs.writeFileSync(node.file("/run/timed"), script, { mode: 0o755 });
    const began = Date.now();
    await succeed(node, { verb: "ADD", config });
    await succeed(node, { verb: "DEL", config });
    // How long a call takes, the machine says: the moments go on until two calls were through.
    const step = (Date.now() - began) / (verb === "ADD" ? 40 : 30);
    let [moments, through, begun] = [0, 0, 0];
    for (let delay = 0; through < 2; delay += moments < 20 ? step : 4 * step) {
      expect(++moments, "calls that are never through").toBeLessThan(100);
      if (verb === "DEL") await succeed(node, { verb: "ADD", config });
      const killed = await crash({ verb, plugin: "/run/timed", env: { DELAY: String(delay / 1000) } });
      if (!killed) through++;
      else if ((await node.attempt("sh", ["-c", halfway[verb]])).exitCode === 0) begun++;
      // An ADD that was through but for its answer is repeated in vain: it is for the runtime to DEL.
      const isThrough =
        (await node.attempt("grep", ["-r", '"state": "ready"', "/var/lib/podwire"])).exitCode === 0;
      const after = verb === "ADD" && killed && !isThrough && moments % 2 === 0 ? "ADD" : "DEL";
      await expectRecovery(after, `${verb} killed after ${Math.round(delay)} ms`);
    }
    expect(begun, `of ${moments} calls, those that were killed halfway`).toBeGreaterThan(0);
  });
});

describe("SIGTERM", () => {
  test.each(shape.programs)("while %s hangs makes ADD undo its work and say so", async (program) => {
    const plugin = podwireWith(node, {
      [program]: `if [ -e /run/once ]; then exec ${locate(program)} "$@"; fi; touch /run/once; kill -TERM $PPID; exec sleep 1000`,
    });
    fs.rmSync(node.file("/run/once"), { force: true });
    const answer = await cni(node, { verb: "ADD", config, plugin });
    expect(answer.json).toMatchObject({ code: 11 });
    expect(withoutForwarding(await machineState(node, "pod1"))).toBe(clean);
  });

  test("while a delegated IPAM hangs makes ADD undo its work and tell the IPAM", async () => {
    const path = pluginDirectory(node, {
      stub: "cat > /dev/null; echo $CNI_COMMAND >> /run/verbs; [ $CNI_COMMAND = ADD ] || exit 0; kill -TERM $PPID; exec sleep 1000",
    });
    fs.rmSync(node.file("/run/verbs"), { force: true });
    const answer = await cni(node, { verb: "ADD", config: { ...config, ipam: { type: "stub" } }, path });
    expect(answer.json).toMatchObject({ code: 11 });
    expect(fs.readFileSync(node.file("/run/verbs"), "utf8")).toBe("ADD\nDEL\n");
    expect(withoutForwarding(await machineState(node, "pod1"))).toBe(clean);
  });
});

const hasReference = fs.existsSync(`${referencePluginDir}/host-local`);
if (!hasReference) console.warn(`no host-local in ${referencePluginDir}: crashes around it are not tested`);

describe.skipIf(!hasReference)("killed while a delegated IPAM works", () => {
  const delegated = network({ cniVersion: "1.0.0", ipam: { ...dualStackIpam, type: "ref-local" } });
  test.each([
    ["before", `[ $CNI_COMMAND = ADD ] && kill -9 $PPID; exec ${referencePluginDir}/host-local`],
    [
      "after",
      `true; ${referencePluginDir}/host-local; status=$?; [ $CNI_COMMAND = ADD ] && kill -9 $PPID; exit $status`,
    ],
    [
      "long before",
      `input=$(cat); [ $CNI_COMMAND = ADD ] && kill -9 $PPID && sleep 0.3; echo "$input" | ${referencePluginDir}/host-local`,
    ],
  ])("%s it reserved, ADD loses no lease", async (_, script) => {
    const path = pluginDirectory(node, { "ref-local": script });
    const healthy = pluginDirectory(node, { "ref-local": `${referencePluginDir}/host-local` });
    expect(await crash({ verb: "ADD", config: delegated, path })).toBe(true);
    await succeed(node, { verb: "DEL", config: delegated, path: healthy });
    await node.run("sleep", "0.4");
    expect(await storedFiles(node)).toEqual([]);
    expect(processesOf(node)).toEqual([]);
  });
});
