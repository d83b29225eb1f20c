// Where the module is not loaded and cannot be: what each command says, that `auto` costs and harms nothing, and that `on` fails no
// pod but is reported.
import fs from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { letBypassAge } from "../fixture/bypass-module.ts";
import { cni, network, succeed } from "../fixture/calls.ts";
import { expectFailure } from "../fixture/failure.ts";
import { executable, startNode, type TestNode } from "../fixture/node.ts";

const release = fs.readFileSync("/proc/sys/kernel/osrelease", "utf8").trim();
/** This kernel may take modules; then there is none for it. */
const cannotLoad = /built without loadable modules|there is none for Linux/;

let node: TestNode;
beforeEach(async () => {
  node = await startNode();
  await node.addPod("pod1");
});
afterEach(async () => node.stop());

const podwire = (...words: string[]) => node.attempt(executable, words);
const bypassing = (mode: string, more: object = {}) => network({ bypass: { mode, ...more } });

async function declare(config: object): Promise<string> {
  const directory = "/run/conf";
  const { cniVersion, name, ...entry } = config as Record<string, unknown>;
  await node.run("mkdir", "-p", directory);
  fs.writeFileSync(
    node.file(`${directory}/10.conflist`),
    JSON.stringify({ cniVersion, name, plugins: [entry] }),
  );
  return directory;
}

describe("commands", () => {
  test.each([
    [["load"], cannotLoad],
    [["load", "--file", "/nowhere.ko"], /built without loadable modules|no such file/],
    [["load", "--file", "/etc/passwd"], /built without loadable modules|no kernel module/],
    [["set", "--mode", "observe"], /the module podwire_bypass is not loaded: podwire bypass load/],
    [["off"], /the module podwire_bypass is not loaded/],
    [["set"], /invalid --mode: "": expected a mode, or --exclude alone/],
    [["set", "--mode", "fast"], /invalid --mode: "fast": expected off, observe, untrack, bypass/],
    [["set", "--mode", "off", "--pods", "10.0.0.0/33"], /invalid --pods: "10.0.0.0\/33"/],
    [
      ["set", "--mode", "off", "--lease", "99999"],
      /invalid --lease: "99999": expected seconds, at most 28800/,
    ],
    [["set", "--mode", "off", "--tunnels", "udp:0"], /invalid --tunnels: "udp:0": expected udp:PORT/],
    [["set", "--mode", "off", "--tunnels", "udp:65536"], /invalid --tunnels: "udp:65536"/],
    [["set", "--mode", "off", "--tunnels", "tcp:7471"], /invalid --tunnels: "tcp:7471".*STT/],
    [["set", "--exclude", "10.1.1.1"], /invalid --exclude: "10.1.1.1"/],
    [
      ["build"],
      fs.existsSync(`/lib/modules/${release}/build/Makefile`)
        ? /./
        : new RegExp(`headers of Linux ${release}`),
    ],
  ])("bypass %j", async (words, expected) => {
    const { stdout, stderr, exitCode } = await podwire("bypass", ...words);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(expected);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(stdout).toBe("");
  });

  test("bypass status says what to do, and with --json what is known", async () => {
    const { stdout, exitCode } = await podwire("bypass", "status");
    expect(exitCode).toBe(1);
    expect(stdout).toContain(
      `there is none for Linux ${release}: podwire bypass build, then podwire bypass load`,
    );
    const json = JSON.parse((await podwire("bypass", "status", "--json")).stdout) as object;
    expect(json).toMatchObject({ loaded: false, kernel: release, networks: [], obstacles: [] });
  });

  test("bypass unload of nothing is no fault, and check needs no module", async () => {
    expect(await podwire("bypass", "unload")).toMatchObject({ exitCode: 0, stderr: "" });
    await node.run(
      "nft",
      "add table ip own; add chain ip own f { type filter hook forward priority 0; policy drop; }",
    );
    const { stdout, exitCode } = await podwire("bypass", "check", "--pods", "10.244.0.0/16", "--json");
    expect([exitCode, JSON.parse(stdout)]).toEqual([1, ["chain ip own f drops by default"]]);
  });

  test("the sources that build needs are in the executable", async () => {
    const said = await podwire("bypass", "build", "--sources-to", "/run/sources");
    expect(said).toMatchObject({ exitCode: 0 });
    for (const file of ["Kbuild", "Makefile", "dkms.conf", "COPYING", "hooks.c", "podwire_bypass.h"]) {
      const carried = fs.readFileSync(node.file(`/run/sources/${file}`), "utf8");
      expect(carried).toBe(
        fs.readFileSync(new URL(`../../netfilter-bypass/${file}`, import.meta.url), "utf8"),
      );
    }
    expect(await node.run("find", "/run/sources", "-path", "*test*")).toBe("");
  });

  test("what is excluded is remembered", async () => {
    const { stdout } = await podwire("bypass", "set", "--exclude", "10.244.1.7/32,fd00::7/128");
    expect(stdout).toContain("remembered");
    const file = node.file("/var/lib/podwire/.bypass-excluded.json");
    expect(JSON.parse(fs.readFileSync(file, "utf8"))).toEqual(["10.244.1.7/32", "fd00::7/128"]);
    await podwire("bypass", "set", "--exclude", "");
    expect(JSON.parse(fs.readFileSync(file, "utf8"))).toEqual([]);
    expect((await podwire("status")).stdout).not.toContain("bypass");
  });
});

describe("mode auto", () => {
  test("wires pods as without, says nothing and leaves nothing", async () => {
    const answer = await succeed(node, { verb: "ADD", config: bypassing("auto") });
    expect(answer.stderr).toBe("");
    expect(await node.has("/run/podwire/bypass.json")).toBe(false);
    await succeed(node, { verb: "STATUS", config: bypassing("auto") });
    await succeed(node, { verb: "CHECK", config: { ...bypassing("auto"), prevResult: answer.json } });
    await succeed(node, { verb: "DEL", config: bypassing("auto") });
  });

  test("is no fault for doctor and apply, which say so", async () => {
    const directory = await declare(bypassing("auto"));
    const findings = JSON.parse((await podwire("doctor", "--conf-dir", directory, "--json")).stdout) as {
      check: string;
      level: string;
      found: string;
    }[];
    expect(findings.find(({ check }) => check === "bypass")).toMatchObject({
      level: "ok",
      found: expect.stringContaining("auto: the module is not loaded") as string,
    });
    const applied = await podwire("apply", "--conf-dir", directory);
    expect(applied.exitCode).toBe(0);
    expect(applied.stdout).toContain("bypass: the module is not loaded, so nothing is bypassed");
  });
});

describe("mode on", () => {
  test("fails no pod, but is in the log, in STATUS, in doctor and in status", async () => {
    const config = bypassing("on");
    await succeed(node, { verb: "STATUS", config });
    const answer = await succeed(node, { verb: "ADD", config });
    expect(answer.stderr).toMatch(
      /warn: .*bypass: wished, but the kernel module podwire_bypass cannot be loaded/,
    );
    // Not each of them tries it.
    await node.addPod("pod2");
    expect((await succeed(node, { verb: "ADD", config, container: "pod2" })).stderr).toBe("");
    expectFailure(await cni(node, { verb: "STATUS", config }), 50, "cannot be loaded", "podwire apply");
    const directory = await declare(config);
    const { stdout } = await podwire("doctor", "--conf-dir", directory);
    expect(stdout).toMatch(/error +bypass: on is wished, and the module is not loaded.*cannot be loaded/);
    expect((await podwire("bypass", "status")).stdout).toMatch(cannotLoad);
    const applied = await podwire("apply", "--conf-dir", directory, "--json");
    expect(applied.exitCode).toBe(1);
    expect(JSON.parse(applied.stdout)).toMatchObject({
      bypass: { mode: "off", fault: expect.stringMatching(cannotLoad) as string },
    });
    for (const container of ["pod1", "pod2"]) await succeed(node, { verb: "DEL", config, container });
  });

  test("is tried again a minute later, by STATUS too", async () => {
    const config = bypassing("on");
    await succeed(node, { verb: "ADD", config });
    const record = () => fs.readFileSync(node.file("/run/podwire/bypass.json"), "utf8");
    letBypassAge(node);
    const before = record();
    expectFailure(await cni(node, { verb: "STATUS", config }), 50, "cannot be loaded");
    expect(record()).not.toBe(before);
  });

  test("is forgotten when the configuration wishes it no more", async () => {
    await succeed(node, { verb: "ADD", config: bypassing("on") });
    expect(await node.has("/run/podwire/bypass.json")).toBe(true);
    const valid = { "cni.dev/valid-attachments": [{ containerID: "pod1", ifname: "eth0" }] };
    await succeed(node, { verb: "GC", config: { ...bypassing("off"), ...valid } });
    expect(await node.has("/run/podwire/bypass.json")).toBe(false);
    await succeed(node, { verb: "DEL", config: bypassing("off") });
  });

  test("stands while there are pods, also where apply finds no network, as with another directory", async () => {
    const config = bypassing("on");
    await succeed(node, { verb: "ADD", config });
    const apply = () => podwire("apply", "--conf-dir", "/run/nothing-there");
    expect((await apply()).stdout).toContain("bypass: wished, but the kernel module podwire_bypass");
    expectFailure(await cni(node, { verb: "STATUS", config }), 50, "cannot be loaded");
    await succeed(node, { verb: "DEL", config });
    expect((await apply()).stdout).not.toContain("bypass");
    expect(await node.has("/run/podwire/bypass.json")).toBe(false);
  });

  test("is tried by many ADDs at once, none of which fails", async () => {
    const names = ["a", "b", "c", "d", "e", "f"];
    for (const name of names) await node.addPod(name);
    const config = bypassing("on");
    const answers = await Promise.all(
      names.map((container) => cni(node, { verb: "ADD", config, container })),
    );
    expect(answers.map(({ exitCode }) => exitCode)).toEqual(names.map(() => 0));
    expect(answers.filter(({ stderr }) => stderr !== "")).toHaveLength(1);
    for (const container of names) await succeed(node, { verb: "DEL", config, container });
  });
});
