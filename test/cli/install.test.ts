// `podwire install` into directories of the test's own, through what the build makes.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { execa } from "execa";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { executable } from "../fixture/node.ts";

const bundle = `${executable}.cjs`;
const node = path.resolve(import.meta.dirname, "../../node_modules/.bin/node");
const plugin = { type: "podwire", ipam: { type: "host-local", ranges: [[{ subnet: "10.244.1.0/24" }]] } };
const conflist = { cniVersion: "1.0.0", name: "podnet", plugins: [plugin, { type: "portmap" }] };

let directory: string;
let binDir: string;
let confDir: string;
beforeEach(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), "podwire-install-"));
  binDir = path.join(directory, "opt/cni/bin");
  confDir = path.join(directory, "etc/cni/net.d");
});
afterEach(() => fs.rmSync(directory, { recursive: true }));

const install = (program: string, ...words: string[]) =>
  execa(program, [...words, "install", "--bin-dir", binDir, "--conf-dir", confDir], { reject: false });
const installWith = (conf: string) =>
  execa(executable, ["install", "--bin-dir", binDir, "--conf-dir", confDir, "--conf", conf], {
    reject: false,
  });
const write = (name: string, content: unknown) => {
  const file = path.join(directory, name);
  fs.writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
  return file;
};
const everything = () => fs.readdirSync(directory, { recursive: true }).sort();

describe("install", () => {
  test("copies the executable, which then answers as a plugin", async () => {
    const { stdout, exitCode } = await install(executable);
    expect(stdout).toMatch(new RegExp(`^installed ${binDir}/podwire \\(podwire [0-9.]+\\)$`));
    expect(exitCode).toBe(0);
    const installed = path.join(binDir, "podwire");
    expect(fs.readFileSync(installed).equals(fs.readFileSync(executable))).toBe(true);
    expect(fs.statSync(installed).mode & 0o777).toBe(0o755);
    expect(fs.readdirSync(binDir)).toEqual(["podwire"]);
    const answer = await execa(installed, [], { env: { CNI_COMMAND: "VERSION" }, input: "{}" });
    expect(JSON.parse(answer.stdout).supportedVersions).toContain("1.1.0");
  });

  test("is executable for all whatever the umask", async () => {
    await execa("sh", ["-c", `umask 077 && exec ${executable} install --bin-dir ${binDir}`]);
    expect(fs.statSync(path.join(binDir, "podwire")).mode & 0o777).toBe(0o755);
  });

  test("replaces a copy that is running, and lets it finish", async () => {
    await install(executable);
    const installed = path.join(binDir, "podwire");
    const running = execa(installed, [], { env: { CNI_COMMAND: "VERSION" }, stdin: "pipe" });
    try {
      await expect.poll(() => fs.readlinkSync(`/proc/${running.pid}/exe`)).toBe(installed);
      const { stdout, exitCode } = await install(executable);
      expect(stdout).toContain(`replaced ${installed}`);
      expect(exitCode).toBe(0);
      running.stdin.end("{}");
      expect(JSON.parse((await running).stdout).cniVersion).toBe("1.1.0");
    } finally {
      running.kill("SIGKILL");
    }
  });

  test("works from the installed copy onto itself", async () => {
    await install(executable);
    const installed = path.join(binDir, "podwire");
    expect((await install(installed)).exitCode).toBe(0);
    expect(fs.statSync(installed).size).toBe(fs.statSync(executable).size);
  });

  test("installs the plain bundle when that is what runs, and says what it needs", async () => {
    const { stderr, exitCode } = await install(node, bundle);
    expect(exitCode).toBe(0);
    expect(stderr).toContain("node 22 or newer");
    const installed = path.join(binDir, "podwire");
    expect(fs.readFileSync(installed).equals(fs.readFileSync(bundle))).toBe(true);
    const PATH = `${path.dirname(node)}:${process.env["PATH"]}`;
    const { stdout } = await execa(installed, ["version"], { env: { PATH } });
    expect(stdout).toContain("podwire");
  });

  test("puts a valid conflist, byte for byte, under its name", async () => {
    const text = JSON.stringify(conflist, undefined, 3);
    const { stdout, exitCode } = await installWith(write("10-podnet.conflist", text));
    expect(stdout).toContain(`installed ${confDir}/10-podnet.conflist (network podnet)`);
    expect(exitCode).toBe(0);
    expect(fs.readdirSync(confDir)).toEqual(["10-podnet.conflist"]);
    expect(fs.readFileSync(path.join(confDir, "10-podnet.conflist"), "utf8")).toBe(text);
    expect(fs.statSync(path.join(confDir, "10-podnet.conflist")).mode & 0o777).toBe(0o644);
  });

  test("never shows a reader of the directory a half-written conflist", async () => {
    fs.mkdirSync(confDir, { recursive: true });
    const seen = new Set<string>();
    const watcher = fs.watch(confDir, (_event, name) => seen.add(String(name)));
    await installWith(write("10-podnet.conflist", conflist));
    await expect.poll(() => [...seen]).toContain("10-podnet.conflist");
    watcher.close();
    const others = [...seen].filter((name) => name !== "10-podnet.conflist");
    expect(others.filter((name) => /\.(conflist|conf|json)$/.test(name))).toEqual([]);
  });

  test.each([
    ["no JSON", "10-a.conflist", "{", "is not JSON"],
    ["an unknown key", "10-a.conflist", change({ mtuu: 1 }), "mtuu = 1 is not known to podwire"],
    ["an absurd MTU", "10-a.conflist", change({ mtu: 3 }), "mtu = 3"],
    ["a subnet too small", "10-a.conflist", changeSubnet("10.0.0.0/32"), "too small"],
    ["an unknown version", "10-a.conflist", { ...conflist, cniVersion: "9.0.0" }, "9.0.0"],
    ["a name with a slash", "10-a.conflist", { ...conflist, name: "a/b" }, "a/b"],
    ["no plugins", "10-a.conflist", { ...conflist, plugins: [] }, "plugins"],
    ["no entry of podwire", "10-a.conflist", { ...conflist, plugins: [{ type: "bridge" }] }, "bridge"],
    ["no list", "10-a.conflist", { cniVersion: "1.0.0", name: "podnet", ...plugin }, "plugins is missing"],
    ["a name runtimes do not take for a list", "10-a.json", conflist, "ends in .conflist"],
  ])("refuses a conflist with %s and changes nothing", async (_what, name, content, reason) => {
    const conf = write(name, content);
    const before = everything();
    const { stdout, stderr, exitCode } = await installWith(conf);
    expect(stderr).toContain(reason);
    expect(stdout).toBe("");
    expect(exitCode).toBe(1);
    expect(everything()).toEqual(before);
  });

  test("names a conflist that does not exist", async () => {
    const { stderr, exitCode } = await installWith("/nowhere/10-a.conflist");
    expect(stderr).toContain("/nowhere/10-a.conflist");
    expect(exitCode).toBe(1);
  });

  test("leaves no temporary file where it cannot replace", async () => {
    fs.mkdirSync(path.join(binDir, "podwire"), { recursive: true });
    const { stderr, exitCode } = await install(executable);
    expect(stderr).toContain("podwire: ");
    expect(exitCode).toBe(1);
    expect(fs.readdirSync(binDir)).toEqual(["podwire"]);
  });
});

function change(keys: object): object {
  return { ...conflist, plugins: [{ ...plugin, ...keys }] };
}

function changeSubnet(subnet: string): object {
  return change({ ipam: { type: "host-local", ranges: [[{ subnet }]] } });
}
