// An ADD that needs a shared link while somebody removes it.
import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import { formatIdentity } from "../../src/linux/process.ts";
import { cannotMakeNodes } from "../cli/root.ts";
import { executable } from "../fixture/node.ts";
import { announcements, config, link, sharingNode } from "./shared-links-node.ts";

describe.skipIf(cannotMakeNodes("races for shared links"))("an ADD that needs a shared link", () => {
  const host = sharingNode();

  /** Says that a live process is about to remove `name`; returns the file that says so. */
  const announce = (name = link) => {
    const file = host.node.file(`${announcements}/${name}.${identityOfSleeper()}`);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, "");
    return file;
  };
  /** Waits on the node as an ADD does. */
  const wait = (milliseconds = 60_000) => {
    const script = path.join(import.meta.dirname, "shared-links-wait.ts");
    const state = { isOver: false };
    const outcome = host.node
      .run(process.execPath, script, link, String(milliseconds))
      .finally(() => Object.assign(state, { isOver: true }));
    return { state, outcome };
  };

  test("waits until a remover is through", async () => {
    const announcement = announce();
    const { state, outcome } = wait();
    await sleep(1500);
    expect(state.isOver).toBe(false);
    fs.rmSync(announcement);
    expect(await outcome).toBe("done");
  });

  test("does not wait for removals of other links", async () => {
    announce("pwi3b914a7c60");
    expect(await wait().outcome).toBe("done");
  });

  test("gives up at its deadline with code 11, the link's name in its words", async () => {
    announce();
    expect(await wait(500).outcome).toMatch(new RegExp(`^code 11: .*${link}`));
  });

  test.each([
    ["before it waits", false],
    ["while it waits", true],
  ])("ends what a DEL killed %s left running to remove it, and the link stays", async (_, isWaiting) => {
    await host.vanished("pod1", "10.244.1.2");
    const directory = host.node.file("/run/slow");
    fs.mkdirSync(directory);
    const slowIp = [
      "#!/bin/sh",
      "batch=$(cat)",
      'case "$batch" in *"link delete"*) touch /run/slow/deleting; until [ -e /run/slow/go ]; do sleep 0.01; done; touch /run/slow/woke;; esac',
      `echo "$batch" | PATH=\${PATH#*:} ip "$@"`,
    ].join("\n");
    fs.writeFileSync(`${directory}/ip`, slowIp, { mode: 0o755 });
    const removal = startDel("/run/slow");
    while (!fs.existsSync(`${directory}/deleting`)) await sleep(20);
    const early = isWaiting ? wait() : undefined;
    while (isWaiting && !(await host.node.has("/run/waiting"))) await sleep(20);
    await sleep(100);
    expect(early?.state.isOver).not.toBe(true);
    removal.kill("SIGKILL");
    expect(await (early ?? wait()).outcome).toBe("done");
    expect(fs.readdirSync(host.node.file(announcements))).toEqual([]);
    fs.writeFileSync(`${directory}/go`, "");
    await sleep(500);
    expect(fs.existsSync(`${directory}/woke`)).toBe(false);
    expect(await host.hasLink()).toBe(true);
  });

  test("finds the second of two removals by one process announced when the first is over", async () => {
    const directory = "/run/second";
    fs.mkdirSync(host.node.file(directory));
    const secondIp = [
      "#!/bin/sh",
      "if mkdir /run/first 2> /dev/null; then exec cat > /dev/null; fi",
      "until [ -e /run/go ]; do sleep 0.01; done",
      `PATH=\${PATH#*:} exec ip "$@"`,
    ].join("\n");
    fs.writeFileSync(host.node.file(`${directory}/ip`), secondIp, { mode: 0o755 });
    const script = path.join(import.meta.dirname, "shared-links-release.ts");
    const env = { PATH: `${directory}:${process.env["PATH"]}` };
    const removal = host.node.attempt(process.execPath, [script, link], { env });
    while (!(await host.node.has("/run/through"))) await sleep(20);
    expect(fs.readdirSync(host.node.file(announcements))).toHaveLength(1);
    const { outcome } = wait();
    fs.writeFileSync(host.node.file("/run/go"), "");
    expect((await removal).exitCode).toBe(0);
    expect(await outcome).toBe("done");
    expect(await host.hasLink()).toBe(false);
  });

  /** podwire itself, which nsenter becomes, with programs of `directory` before the usual ones. */
  function startDel(directory: string) {
    const child = spawn("nsenter", ["-t", String(host.node.pid), "-m", "-n", "--", executable], {
      env: {
        PATH: `${directory}:${process.env["PATH"]}`,
        CNI_COMMAND: "DEL",
        CNI_CONTAINERID: "pod1",
        CNI_NETNS: "",
        CNI_IFNAME: "eth0",
        CNI_PATH: "/usr/lib/cni",
      },
      stdio: ["pipe", "ignore", "ignore"],
    });
    onTestFinished(() => void child.kill("SIGKILL"));
    child.stdin.end(JSON.stringify(config));
    return child;
  }
});

/** Of a process that lives until the test ends. */
function identityOfSleeper(): string {
  const child = spawn("sleep", ["infinity"], { stdio: "ignore" });
  onTestFinished(() => void child.kill("SIGKILL"));
  const pid = child.pid as number;
  const stat = fs.readFileSync(`/proc/${pid}/stat`, "utf8");
  const startTime = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  return formatIdentity({ pid, startTime, pidNamespace: fs.readlinkSync("/proc/self/ns/pid") });
}
