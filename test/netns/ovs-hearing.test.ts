// An ovs-vswitchd 3.1.0 that was started right after boot, and may not listen to its datapath: podwire is called in a
// time namespace in which the machine has just booted. That packets pass then is for guests to show
// (test/lab/cases/datapaths.test.ts); here it is what podwire makes anew, and what it leaves alone.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { describe, expect, test } from "vitest";
import { startedAfterBoot } from "../../src/linux/process.ts";
import { executable } from "../fixture/node.ts";
import { hasOpenVswitch } from "../fixture/open-vswitch.ts";
import { ovsNetwork, ovsNode } from "../fixture/ovs-pods.ts";

const printed = (program: string, ...words: string[]) =>
  spawnSync(program, words, { encoding: "utf8" }).stdout ?? "";
const isAffected = hasOpenVswitch && printed("ovs-vswitchd", "--version").includes(" 3.1.0\n");
const hasTimeNamespaces = printed("unshare", "--time", "echo", "yes") === "yes\n";

describe.skipIf(!isAffected || !hasTimeNamespaces)(
  "an Open vSwitch 3.1.0 of the first seconds after boot",
  () => {
    const own = ovsNode();
    const userspace = ovsNetwork({ bridge: "podwire1", datapathType: "netdev" });
    // The bridge is there and need not be described; so it might be one of the kernel's.
    const config = ovsNetwork({ bridge: "podwire1", datapathType: undefined });

    /** As ADD of a pod would be called if ovs-vswitchd had been started one second after boot. */
    async function addEarly(name: string): Promise<void> {
      const started = startedAfterBoot(own.ovs.pid("ovs-vswitchd") ?? 0) ?? 0;
      const plugin = "/run/early";
      // Of 6.1 exec alone does not enter the namespace, and no thread can be started before that.
      const unshare = `unshare --fork --time --boottime -${Math.floor(started) - 1}`;
      const script = `#!/bin/sh\nexec ${unshare} ${executable}\n`;
      fs.writeFileSync(own.node.file(plugin), script, { mode: 0o755 });
      await own.pod(name, config, { plugin });
    }

    /** A bridge of the kernel's datapath with a port, as a loss of power leaves them in the database. */
    async function leaveBridge(portLabel: string): Promise<void> {
      const bridge = ["add-br", "podwire0", "--", "set", "Bridge", "podwire0", "external_ids:podwire=bridge"];
      const port = [
        "add-port",
        "podwire0",
        "old",
        "--",
        "set",
        "Interface",
        "old",
        `external_ids:${portLabel}`,
      ];
      await own.ovs.run("ovs-vsctl", "--no-wait", "--", ...bridge, "--", ...port);
    }

    const ofDeadPod = "podwire=podnet/dead/eth0";

    test("has podwire's bridges made anew by the first ADD, and by no other", async () => {
      await own.pod("pod1", userspace);
      await leaveBridge(ofDeadPod);
      await addEarly("pod2");
      expect(await own.bridges()).toEqual(["podwire1"]);
      await leaveBridge(ofDeadPod);
      await addEarly("pod3");
      expect(await own.bridges()).toEqual(["podwire0", "podwire1"]);
      expect(await own.ports("podwire1")).toHaveLength(3);
    });

    test("keeps a bridge that has a port of somebody else", async () => {
      await own.pod("pod1", userspace);
      await leaveBridge("made-by=them");
      await addEarly("pod2");
      expect(await own.ports("podwire0")).toEqual(["old"]);
    });

    test("is left alone by ADD long after boot", async () => {
      await leaveBridge(ofDeadPod);
      await own.pod("pod1", userspace);
      await own.pod("pod2", config);
      expect(await own.ports("podwire0")).toEqual(["old"]);
    });
  },
);
