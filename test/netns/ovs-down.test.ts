// Open vSwitch is down, or hangs: what cannot be done is refused in time and leaves nothing, what can be done is done,
// and GC makes up for the rest once it runs again.
import { beforeEach, describe, expect, test } from "vitest";
import { cni } from "../fixture/calls.ts";
import { expectFailure } from "../fixture/failure.ts";
import { masqueradedAddresses, storedFiles } from "../fixture/machine-state.ts";
import { executable } from "../fixture/node.ts";
import { datapathTypeHere, hasOpenVswitch, type OvsDaemon } from "../fixture/open-vswitch.ts";
import { ovsNetwork, ovsNode } from "../fixture/ovs-pods.ts";
import { isFull } from "../lab/fixture/kernels.ts";

const both = ["ovs-vswitchd", "ovsdb-server"] as const;

describe.skipIf(!hasOpenVswitch)("without an Open vSwitch that answers", () => {
  const own = ovsNode();
  const config = ovsNetwork({}, { timeout: 25 });
  beforeEach(async () => {
    await own.node.addPod("pod2");
  });

  interface Outage {
    readonly what: string;
    begin(): Promise<void>;
    end(): Promise<void>;
  }

  const gone = (...daemons: readonly OvsDaemon[]): Outage => ({
    what: `${daemons.join(" and ")} gone`,
    begin: async () => {
      for (const daemon of daemons) await own.ovs.end(daemon, "SIGKILL");
    },
    end: async () => {
      for (const daemon of daemons.toReversed()) await own.ovs.begin(daemon);
    },
  });
  const hung = (daemon: OvsDaemon): Outage => ({
    what: `${daemon} hung`,
    begin: async () => void process.kill(own.ovs.pid(daemon) ?? 0, "SIGSTOP"),
    end: async () => void process.kill(own.ovs.pid(daemon) ?? 0, "SIGCONT"),
  });
  const outages = [
    gone("ovs-vswitchd"),
    gone("ovsdb-server"),
    gone(...both),
    hung("ovs-vswitchd"),
    hung("ovsdb-server"),
  ];

  /** Whatever a test says, the daemons must go on, so that the node can be stopped. */
  async function during(outage: Outage, work: () => Promise<void>): Promise<void> {
    await outage.begin();
    try {
      await work();
    } finally {
      await outage.end();
    }
  }

  // In an emulated guest programs alone take some of that.
  const hurry = 9 * Number(process.env["PODWIRE_TEST_SLOWNESS"] ?? 1);

  test.each(both)(`DEL in a call of ${hurry} s succeeds while %s hangs`, async (daemon) => {
    const hurried = { ...config, timeout: hurry };
    await own.pod("pod2", hurried);
    await during(hung(daemon), async () => {
      const answer = await own.del("pod2", hurried);
      expect(answer.stdout + (answer.exitCode ?? "killed")).toBe("0");
    });
    expect((await own.gc([], config)).stdout).toBe("");
    await own.expectNothingLeft();
  });

  // A daemon that hangs is waited for, nine seconds at each step: that is for releases.
  const tried = outages.filter(({ what }) => isFull || !what.includes("hung"));
  describe.each(tried)("$what", (outage) => {
    test("ADD is refused in time and leaves nothing, and STATUS says so, until it is over", async () => {
      await during(outage, async () => {
        expectFailure(await cni(own.node, { verb: "ADD", config, container: "pod2" }), 11);
        expectFailure(await cni(own.node, { verb: "STATUS", config }), 50);
        expect(await storedFiles(own.node)).toEqual([]);
        expect(await masqueradedAddresses(own.node)).toEqual([]);
      });
      expect((await cni(own.node, { verb: "STATUS", config })).stdout).toBe("");
      expect((await own.gc([], config)).stdout).toBe("");
      await own.expectNothingLeft();
      await own.pod("pod2", config);
    });

    test("DEL succeeds, and GC takes the port and flows away later", async () => {
      const kept = await own.pod("pod1", config);
      await own.pod("pod2", config);
      await during(outage, async () => {
        const answer = await own.del("pod2", config);
        expect(answer.stdout + (answer.exitCode ?? "killed")).toBe("0");
        expect((await storedFiles(own.node)).filter((file) => file.includes("pod2"))).toEqual([]);
        expect((await own.del("pod2", config)).exitCode, "DEL again").toBe(0);
      });
      expect((await own.gc(["pod1"], config)).stdout).toBe("");
      expect(await own.ports()).toHaveLength(1);
      expect((await own.flows()).join("\n")).not.toContain("10.244.1.3");
      expect((await own.check(kept, config)).stdout).toBe("");
      await own.del("pod1", config);
      await own.expectNothingLeft();
    });

    test("podwire gc takes the port, flows and bridge away later, where no runtime calls GC", async () => {
      await own.pod("pod2", config);
      await during(outage, async () => {
        expect((await own.del("pod2", config)).exitCode).toBe(0);
        await own.node.run("ip", "netns", "delete", "pod2");
      });
      const run = async () => (await own.node.attempt(executable, ["gc", "--json"])).stdout;
      const actions = JSON.parse(await run()).map(({ action }: { action: string }) => action);
      // An internal port that Open vSwitch has all the time may be in a pod, for all that it tells.
      if (actions.includes("unrecorded")) expect((await own.del("pod2", config)).exitCode).toBe(0);
      else expect(actions.filter((action: string) => action !== "removed")).toEqual([]);
      expect(await run()).toBe("[]");
      await own.expectNothingLeft();
    });

    test("the same pod can be added again after a DEL that found nobody", async () => {
      await own.pod("pod2", config);
      await during(outage, async () => {
        expect((await own.del("pod2", config)).exitCode).toBe(0);
      });
      const pod2 = await own.pod("pod2", config);
      expect((await own.check(pod2, config)).stdout).toBe("");
      await own.del("pod2", config);
      await own.expectNothingLeft();
    });

    test("status, gc and apply of the command line end and say so", async () => {
      const pod2 = await own.pod("pod2", config);
      await during(outage, async () => {
        const shown = await own.node.attempt(executable, ["status"]);
        expect(shown.stdout).toMatch(/pod2/);
        expect(shown.exitCode).toBe(1);
        const collected = await own.node.attempt(executable, ["gc", "--dry-run"]);
        expect(collected.stdout).toMatch(
          collected.exitCode === 0 ? /^nothing to remove/ : /ports of Open vSwitch cannot be listed/,
        );
        const applied = await own.node.attempt(executable, ["apply"]);
        expect(applied.exitCode, applied.stdout).toBe(1);
        expect(applied.stdout + applied.stderr).not.toMatch(/\n\s+at /);
      });
      expect((await own.node.attempt(executable, ["apply"])).exitCode).toBe(0);
      expect((await own.check(pod2, config)).stdout).toBe("");
    });
  });

  test("the last DEL on a bridge of others leaves flows, which GC takes away while pods are on another", async () => {
    const other = ovsNetwork({ bridge: "br-other" }, { timeout: 25 });
    const type = `datapath_type=${datapathTypeHere()}`;
    await own.ovs.run("ovs-vsctl", "add-br", "br-other", "--", "set", "Bridge", "br-other", type);
    await own.pod("pod1", config);
    await own.pod("pod2", other);
    await during(gone("ovsdb-server"), async () => {
      expect((await own.del("pod2", other)).exitCode).toBe(0);
    });
    expect((await own.gc(["pod1"], other)).stdout).toBe("");
    expect((await own.flows("br-other")).filter((flow) => flow.includes("cookie=0x7077"))).toEqual([]);
    expect((await own.flows()).filter((flow) => flow.includes("cookie=0x7077000000000000"))).not.toEqual([]);
  });

  test("GC reports that it could not look, and does the rest", async () => {
    await own.pod("pod2", config);
    await during(gone(...both), async () => {
      expectFailure(await own.gc([], config), [11, 100, 102, 105, 106, 107, 108, 109], /ovs|Open vSwitch/i);
      expect(await storedFiles(own.node)).toEqual([]);
    });
    expect((await own.gc([], config)).stdout).toBe("");
    await own.expectNothingLeft();
  });
});
