// A machine that lacks something, or has something in the way: one message that says what to do, and nothing is
// left behind.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { execa } from "execa";
import { describe, expect, test } from "vitest";
import { cannotRunLab } from "../fixture/shared-lab.ts";
import { disksDirectory } from "../lab.ts";
import { enter } from "../machine/entry.ts";
import { find } from "../machine/record.ts";
import { remove } from "../machine/removal.ts";
import { ground, messageOf } from "../trouble/ground.ts";

describe.skipIf(cannotRunLab("a machine that lacks something"))("up", () => {
  const { name, cache, lab } = ground();
  const refused = async (words: readonly string[], options?: Parameters<typeof lab>[1]) =>
    messageOf(await lab(["up", ...words], options));

  test("without QEMU names each package that is missing", async () => {
    const bin = fs.mkdtempSync(path.join(os.tmpdir(), "podwire-bin-"));
    const message = await refused(["--name", name()], { env: { PATH: bin } });
    fs.rmSync(bin, { recursive: true });
    expect(message).toContain("this machine cannot run the lab: ");
    expect(message).toContain("no qemu-system-x86_64 (Debian package qemu-system-x86)");
    expect(message).toContain("no qemu-img (Debian package qemu-utils)");
  });

  test("without root says so", async () => {
    const nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];
    for (const command of ["up", "status", "down"])
      expect(messageOf(await lab([command, "--name", name()], { within: nobody }))).toMatch(/root/);
  });

  test.each([
    { of: "the root file system", finished: [], least: 1000 },
    { of: "a kernel", finished: ["root"], least: 300 },
    { of: "a lab of 2 nodes", finished: ["root", "kernel"], least: 500 },
  ] as const)("without disk space for $of says how much is needed", async ({ of, finished, least }) => {
    const made = cache(finished);
    const disk = path.join(made, "disk");
    const mountDisk =
      'mkdir "$0/disk" && mount -t tmpfs -o size=50M tmpfs "$0/disk" && cp -a "$0/podwire-lab" "$0/disk" && exec "$@"';
    const message = await refused(["--name", name()], {
      env: { PODWIRE_LAB_CACHE: disk },
      within: ["unshare", "--mount", "--propagation", "private", "sh", "-c", mountDisk, made],
    });
    const [, where, needed, free] =
      /not enough disk space in (\S+) for .+: ([0-9]+) MiB are needed, ([0-9]+) MiB are free; make room/.exec(
        message,
      ) ?? [];
    expect(where, `${of}: ${message}`).toBe(`${disk}/podwire-lab`);
    expect(Number(needed)).toBeGreaterThanOrEqual(least);
    expect(Number(free)).toBeLessThanOrEqual(50);
  });

  test("with a cache that is no directory says so", async () => {
    const file = path.join(cache(), "file");
    fs.writeFileSync(file, "");
    expect(await refused(["--name", name()], { env: { PODWIRE_LAB_CACHE: file } })).toContain(file);
  });

  test("leaves a network namespace alone that has its name", async () => {
    const taken = name();
    await execa("ip", ["netns", "add", `pwlab-${taken}`]);
    const message = await refused(["--name", taken]);
    expect(message).toContain(`the network namespace pwlab-${taken} exists already`);
    expect(message).toContain(`ip netns delete pwlab-${taken}`);
    // Fails unless it is still there.
    await execa("ip", ["netns", "delete", `pwlab-${taken}`]);
  });

  test("leaves a lab alone that has its name", async () => {
    const taken = name();
    const record = await enter({
      name: taken,
      disksDirectory,
      kernel: "",
      accelerator: "tcg",
      nodes: 1,
      memory: 256,
    });
    const message = await refused(["--name", taken]);
    expect(message).toContain(`there is a lab of the name "${taken}" already`);
    expect(message).toContain(`npm run lab -- down --name ${taken}`);
    expect(find(taken)).toEqual(record);
    expect(fs.existsSync(record.disks)).toBe(true);
    await remove(record);
  });

  test.each([
    [["--nodes", "0"], /0 .*1 to 99/],
    [["--nodes", "100"], /100 .*1 to 99/],
    [["--nodes", "2.5"], /2\.5.*whole number/],
    [["--nodes", "two"], /"two".*whole number/],
    [["--kernel", "6.2"], /"6\.2".*expected one of 5\.10, 6\.1, 6\.12, 7\.2/],
    [["--memory", "0"], /MiB of memory/],
    [["--memory=-1"], /-1.*whole number/],
    [["--memory", "a lot"], /"a lot".*whole number/],
    [
      ["--memory", "65536", "--nodes", "99"],
      /not enough memory for 99 nodes of [0-9]+ MiB: [0-9]+ MiB are available/,
    ],
    [["--name", ""], /"" is no name for a lab/],
    [["--name", "../../etc"], /is no name for a lab: expected up to 40 of a-z, 0-9 and -/],
    [["--name", "a; touch /tmp/b"], /is no name for a lab/],
    [["--name=-a"], /is no name for a lab/],
    [["--name", "a".repeat(41)], /is no name for a lab/],
    [["--nods", "2"], /--nods.*Usage:/s],
  ] as const)("refuses %j", async (words, expected) => {
    const named = words.some((word) => word.startsWith("--name"));
    expect(await refused(named ? words : ["--name", name(), ...words])).toMatch(expected);
  });

  test("is not the only one that says what it does not know", async () => {
    expect(messageOf(await lab(["upp"]))).toMatch(/unknown command "upp".*Usage:/s);
    expect(messageOf(await lab([]))).toMatch(/no command.*Usage:/s);
    const unknown = name();
    for (const words of [
      ["run", "--name", unknown, "1", "true"],
      ["ssh", "--name", unknown, "1"],
    ])
      expect(messageOf(await lab(words))).toContain(`there is no lab "${unknown}"`);
    expect(messageOf(await lab(["run", "--name", "../x", "1", "true"]))).toContain("is no name for a lab");
  });
});
