// ADD on a machine in a bad state: netns that are none, a name that is taken, disks that take nothing, and files
// that block. The call fails with the right code and changes nothing.
import fs from "node:fs";
import { describe, expect, test } from "vitest";
import { dualStackIpam, network } from "../fixture/calls.ts";
import { podwireWith } from "../fixture/programs.ts";
import { untouchedNode } from "../fixture/untouched-node.ts";

const untouched = untouchedNode();

describe("what is no netns of a pod", () => {
  const make: Record<string, string> = {
    "/run/file": "echo > /run/file",
    "/run/fifo": "mkfifo /run/fifo",
    "/run/directory": "mkdir /run/directory",
    "/run/dangling": "ln -s /nowhere /run/dangling",
    "/run/loop": "ln -s /run/loop /run/loop",
    "/run/unbound": "touch /run/unbound",
    "/dev/null": "true",
    "/proc/self/status": "true",
    "/proc/self/ns/mnt": "true",
    "/proc/self/ns/uts": "true",
    "/proc/self/ns/pid_for_children": "true",
    "/proc/self/ns": "true",
    "/proc/self/ns/net": "true",
    "/proc/1/ns/nowhere": "true",
    "/run/netns/gone": "true",
    "/run/netns": "true",
    "run/netns/pod1": "true",
    "../run/netns/pod1": "true",
    pod1: "true",
    "": "true",
    "/run/netns/pod1/": "true",
    "/run/netns/pod1\n": "true",
    "/run/netns/$(reboot)": "true",
    "/run/host": "touch /run/host && mount --bind /proc/self/ns/net /run/host",
  };
  test.each(Object.entries(make))("is refused with code 8: %j", async (netns, command) => {
    await untouched.node.run("sh", "-c", command);
    await untouched.refuse({ netns }, netns === "" ? 4 : 8, "CNI_NETNS");
  });
});

describe("an interface name that is taken in the pod", () => {
  const kinds = ["type bridge", "type ifb", "type veth peer name other"];
  test.each(kinds)("by a link of %s is refused and stays", async (kind) => {
    await untouched.node.runIn(
      "pod1",
      "sh",
      "-c",
      `ip link add eth0 ${kind} && ip address add 10.9.9.9/24 dev eth0`,
    );
    await untouched.accept();
    await untouched.refuse({}, [100, 101], "eth0");
    await untouched.node.runIn("pod1", "ip", "link", "del", "eth0");
    await untouched.accept();
  });
});

describe("a state directory", () => {
  const directories = { records: "/var/lib/podwire", leases: "/var/lib/cni/networks" };

  test.each(Object.entries(directories))(
    "of %s that is read-only fails with code 5",
    async (_, directory) => {
      await untouched.node.run("sh", "-c", `mkdir -p ${directory}; mount -t tmpfs -o ro tmpfs ${directory}`);
      const details = await untouched.refuse({}, 5, directory);
      await untouched.node.run("umount", directory);
      expect(details).toMatch(/read-only/i);
    },
  );

  test.each(Object.entries(directories))("of %s that is full fails with code 5", async (_, directory) => {
    const fill = `mount -t tmpfs -o size=4k,nr_inodes=20 tmpfs ${directory}; head -c 4096 /dev/zero > ${directory}/.fill`;
    await untouched.node.run("sh", "-c", `mkdir -p ${directory}; ${fill}`);
    const details = await untouched.refuse({}, 5, directory);
    const left = await untouched.node.run("find", directory, "-type", "f");
    await untouched.node.run("umount", directory);
    expect(left).toBe(`${directory}/.fill`);
    expect(details).toMatch(/no space/i);
  });

  test.each(Object.entries(directories))("of %s without inodes fails with code 5", async (_, directory) => {
    for (const inodes of [1, 2, 3]) {
      await untouched.node.run(
        "sh",
        "-c",
        `mkdir -p ${directory}; mount -t tmpfs -o nr_inodes=${inodes} tmpfs ${directory}`,
      );
      await untouched.refuse({}, 5, directory);
      const left = await untouched.node.run("find", directory, "-type", "f");
      await untouched.node.run("umount", directory);
      expect(left).toBe("");
    }
  });

  test.each(Object.entries(directories))("of %s that is a file fails with code 5", async (_, directory) => {
    await untouched.node.run(
      "sh",
      "-c",
      `mkdir -p ${directory}; rm -rf ${directory}/podnet; touch ${directory}/podnet`,
    );
    await untouched.refuse({}, 5, directory).finally(() => untouched.node.run("rm", `${directory}/podnet`));
  });
});

describe("files that the configuration names", () => {
  test.each(["/run/fifo", "/dev/zero", "/dev/tty"])(
    "do not hang the ADD as resolvConf: %s",
    async (resolvConf) => {
      await untouched.node.run("sh", "-c", "[ -p /run/fifo ] || mkfifo /run/fifo");
      const limited = podwireWith(untouched.node, {});
      const config = network({ timeout: 2, ipam: { ...dualStackIpam, resolvConf } });
      fs.appendFileSync(untouched.node.file(limited), "");
      fs.writeFileSync(
        untouched.node.file(`${limited}-limited`),
        `#!/bin/sh\nulimit -v 16000000\nexec timeout -s KILL 6 ${limited}\n`,
        { mode: 0o755 },
      );
      await untouched.refuse({ config, plugin: `${limited}-limited` }, [5, 7, 11], "resolvConf");
    },
  );

  test.each(["/run/fifo", "/run", "/nowhere/log", "/dev/full", "/run/\u0000"])(
    "do not keep the ADD from failing as log file: %j",
    async (file) => {
      await untouched.node.run("sh", "-c", "[ -p /run/fifo ] || mkfifo /run/fifo");
      const limited = podwireWith(untouched.node, {});
      fs.writeFileSync(
        untouched.node.file(`${limited}-limited`),
        `#!/bin/sh\nexec timeout -s KILL 6 ${limited}\n`,
        {
          mode: 0o755,
        },
      );
      const config = network({ timeout: 2, log: { level: "debug", file }, ipam: { type: "nowhere" } });
      await untouched.refuse({ config, plugin: `${limited}-limited` }, [7, 102]);
    },
  );
});
