// Open vSwitch's daemons end and begin again under running pods, as at an upgrade or after a crash: what pods keep by
// themselves, and who gives back what they lost.
import fs from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeEach, describe, expect, test } from "vitest";
import { ask, serve } from "../chain/traffic.ts";
import { cni, network, succeed } from "../fixture/calls.ts";
import { expectFailure } from "../fixture/failure.ts";
import { executable, hostAddress, hostAddress6 } from "../fixture/node.ts";
import { datapathTypeHere, hasOpenVswitch, type OvsDaemon } from "../fixture/open-vswitch.ts";
import { type OvsPod, ovsNetwork, ovsNode } from "../fixture/ovs-pods.ts";
import { locate, podwireWith } from "../fixture/programs.ts";
import { eventually, watch } from "../overlay/watching.ts";

describe.skipIf(!hasOpenVswitch)("pods of an Open vSwitch bridge", () => {
  const own = ovsNode();
  let pods: readonly [OvsPod, OvsPod];
  beforeEach(async () => {
    pods = [await own.pod("pod1"), await own.pod("pod2")];
  });

  const pings = (to: string) => ["ping", "-c", "1", "-W", "3", to] as const;

  async function expectWhole(): Promise<void> {
    const [one, two] = pods;
    for (const to of [...two.addresses, hostAddress, hostAddress6])
      await own.node.runIn("pod1", ...pings(to));
    for (const to of [...one.addresses, ...two.addresses]) await own.node.run(...pings(to));
    for (const pod of pods) expect((await own.check(pod)).stdout).toBe("");
  }

  async function restart(daemons: readonly OvsDaemon[], signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    for (const daemon of daemons) await own.ovs.end(daemon, signal);
    for (const daemon of daemons.toReversed()) await own.ovs.begin(daemon);
  }

  const apply = () => own.node.attempt(executable, ["apply"]);

  test.each(["SIGTERM", "SIGKILL"] as const)(
    "lose nothing when ovsdb-server is restarted by %s",
    async (signal) => {
      await restart(["ovsdb-server"], signal);
      await expectWhole();
      expect((await apply()).stdout).toContain("all as they were made");
    },
  );

  test("whose both daemons are restarted are made whole by an ADD of another pod", async () => {
    await restart(["ovs-vswitchd", "ovsdb-server"], "SIGKILL");
    await own.pod("pod3");
    await expectWhole();
  });

  test("whose bridge somebody took away are made whole by an ADD of another pod", async () => {
    await own.ovs.run("ovs-vsctl", "del-br", "podwire0");
    await own.pod("pod3");
    await expectWhole();
  });

  describe("whose database was lost, which the switch sees later than podwire,", () => {
    let switchPid: number;
    beforeEach(async () => {
      switchPid = own.ovs.pid("ovs-vswitchd") as number;
      process.kill(switchPid, "SIGSTOP");
      await own.ovs.loseDatabase();
    });

    async function meanwhile<T>(repairing: Promise<T>): Promise<T> {
      await sleep(1000);
      process.kill(switchPid, "SIGCONT");
      return repairing;
    }

    test("are made whole by an ADD of another pod", async () => {
      await meanwhile(own.pod("pod3"));
      await expectWhole();
    });

    test("are made whole by podwire apply", async () => {
      const { exitCode, stdout, stderr } = await meanwhile(apply());
      expect(exitCode, stdout + stderr).toBe(0);
      await expectWhole();
      expect((await apply()).stdout).toContain("all as they were made");
    });
  });

  describe.each([
    ["ovs-vswitchd was killed", () => restart(["ovs-vswitchd"], "SIGKILL")],
    ["the database was lost", () => own.ovs.loseDatabase()],
    [
      "somebody took the bridge away",
      async () => void (await own.ovs.run("ovs-vsctl", "del-br", "podwire0")),
    ],
  ])("are made whole where %s, and repaired by several calls at once:", (_loss, lose) => {
    const others = ["other1", "other2", "other3"];
    const more: OvsPod[] = [];
    beforeEach(async () => {
      more.splice(0);
      for (const name of ["pod3", "pod4", "pod5", "pod6"]) more.push(await own.pod(name));
    });

    async function expectAllWhole(): Promise<void> {
      await expectWhole();
      for (const pod of more) expect((await own.check(pod)).stdout, pod.name).toBe("");
    }

    test("ADDs", async () => {
      await lose();
      await Promise.all(others.map((name) => own.pod(name)));
      await expectAllWhole();
    });

    test("podwire apply and ADDs", async () => {
      await lose();
      await Promise.all([apply(), ...others.slice(1).map((name) => own.pod(name))]);
      await expectAllWhole();
    });

    test("DELs, of which an ADD makes up for what they left", async () => {
      for (const name of others) await own.pod(name);
      await lose();
      await Promise.all(others.map((name) => own.del(name)));
      await own.pod("other4");
      await expectAllWhole();
    });
  });

  test("whose database was lost are made whole by an ADD after one that failed, and had made the bridge", async () => {
    const switchPid = own.ovs.pid("ovs-vswitchd") as number;
    process.kill(switchPid, "SIGSTOP");
    await own.ovs.loseDatabase();
    await own.node.addPod("pod3");
    const failed = await cni(own.node, {
      verb: "ADD",
      config: ovsNetwork({}, { timeout: 6 }),
      container: "pod3",
    });
    process.kill(switchPid, "SIGCONT");
    expectFailure(failed, 11, "got no answer");
    await eventually(async () => expect(await own.bridges()).toEqual(["podwire0"]));
    await own.pod("pod4");
    await expectWhole();
  });

  test("do not keep calls waiting while somebody else repairs pods", async () => {
    await restart(["ovs-vswitchd"], "SIGKILL");
    const hold = "echo $$ > /run/holder; exec sleep 300";
    const holding = own.node.attempt("flock", ["/run/podwire/repair.lock", "sh", "-c", hold]);
    const holder = await eventually(async () => Number(await own.node.run("grep", "[0-9]", "/run/holder")));
    // A call that waited would fail by its own deadline.
    expect((await own.gc(["pod1", "pod2"])).stdout).toBe("");
    await own.pod("pod3");
    expect((await own.del("pod3")).stdout).toBe("");
    process.kill(holder);
    await holding;
    await own.pod("pod4");
    await expectWhole();
  });

  test.skipIf(datapathTypeHere() === "system")("one of which lost its link get it back", async () => {
    await own.node.run("ip", "-n", "pod1", "link", "delete", "eth0");
    expect((await own.check(pods[0])).json?.code).toBe(104);
    const { exitCode, stdout } = await apply();
    expect(exitCode, stdout).toBe(0);
    await expectWhole();
  });

  test("are as many at once on a new bridge as they are one by one: none looks at the others", async () => {
    for (const { name } of pods) await own.del(name);
    const names = ["pod1", "pod2", "pod3", "pod4", "pod5", "pod6", "pod7", "pod8"];
    for (const name of names.slice(2)) await own.node.addPod(name);
    const counting = (program: string) => `echo ${program} >> /run/calls; exec ${locate(program)} "$@"`;
    const plugin = podwireWith(own.node, { "ovs-ofctl": counting("ovs-ofctl") });
    await Promise.all(names.map((name) => own.pod(name, ovsNetwork(), { plugin })));
    const calls = fs.readFileSync(own.node.file("/run/calls"), "utf8").trim().split("\n");
    expect(calls).toHaveLength(names.length);
  });

  test("are each made by one transaction and one bundle of flows", async () => {
    const programs = ["ovs-vsctl", "ovs-ofctl"].map((program) => [
      program,
      `echo "${program} $*" >> /run/calls; exec ${locate(program)} "$@"`,
    ]);
    await own.pod("pod3", ovsNetwork(), { plugin: podwireWith(own.node, Object.fromEntries(programs)) });
    const calls = fs.readFileSync(own.node.file("/run/calls"), "utf8").trim().split("\n");
    expect(calls.filter((call) => / (add|set|del|mod|replace)[ -]/.test(call))).toEqual([
      expect.stringMatching(/^ovs-vsctl .* add-port /),
      expect.stringMatching(/^ovs-ofctl .*--bundle .*add-flows /),
    ]);
  });

  test("may be the first of a new ovs-vswitchd, many at once, where the one before left its link", async () => {
    await own.ovs.end("ovs-vswitchd", "SIGKILL");
    for (const { name } of pods) expect((await own.del(name)).exitCode).toBe(0);
    await own.ovs.begin("ovs-vswitchd");
    expect((await own.gc([])).stdout).toBe("");
    expect(await own.node.run("ip", "link", "show", "podwire0")).toMatch(/podwire0/);
    const names = ["pod1", "pod2", "pod3", "pod4", "pod5", "pod6"];
    const [one, two] = (await Promise.all(names.map((name) => own.pod(name)))) as [OvsPod, OvsPod];
    pods = [one, two];
    await expectWhole();
  });

  describe("of a node whose datapath is veth by now", () => {
    const veth = network({
      datapath: "veth",
      name: "vethnet",
      ipam: { type: "host-local", ranges: [[{ subnet: "10.245.1.0/24" }]], routes: [{ dst: "0.0.0.0/0" }] },
    });
    beforeEach(async () => {
      await own.node.addPod("pod3");
      await succeed(own.node, { verb: "ADD", config: veth, container: "pod3" });
      await restart(["ovs-vswitchd"], "SIGKILL");
    });

    test.each([
      ["an ADD", async () => void (await own.node.addPod("pod4")), { verb: "ADD", container: "pod4" }],
      ["a DEL", async () => {}, { verb: "DEL", container: "pod3" }],
      ["a GC", async () => {}, { verb: "GC", config: { ...veth, "cni.dev/valid-attachments": [] } }],
    ])("are made whole by %s", async (_what, prepare, call) => {
      await prepare();
      const { stderr } = await succeed(own.node, { config: veth, ...call });
      expect(stderr).toMatch(/after a restart or change of Open vSwitch: container pod[12]/);
      await expectWhole();
    });

    test("do not keep others from being added where they cannot be mended", async () => {
      await own.node.addPod("pod4");
      const broken = 'cat > /dev/null; echo "ovs-ofctl: OFPT_ERROR: OFPBRC_PERM_ERROR" >&2; exit 1';
      const plugin = podwireWith(own.node, { "ovs-ofctl": broken });
      const { stderr } = await succeed(own.node, { verb: "ADD", config: veth, container: "pod4", plugin });
      expect(stderr).toMatch(/cannot be repaired: .*OFPBRC_PERM_ERROR/);
      await succeed(own.node, { verb: "DEL", config: veth, container: "pod4" });
      await expectWhole();
    });
  });

  test("of which one cannot be mended cost later calls next to nothing, and that one is tried again", async () => {
    const [one] = pods;
    const tried = own.node.file("/run/tried");
    const refusing = `all=$(cat)
      case "$all" in *${one.addresses[0]}*) echo >> /run/tried; echo "ovs-ofctl: OFPT_ERROR" >&2; exit 1;; esac
      printf '%s\\n' "$all" | /usr/bin/ovs-ofctl "$@"`;
    const plugin = podwireWith(own.node, { "ovs-ofctl": refusing });
    const call = async (verb: "ADD" | "DEL", through?: string) => {
      const more = through === undefined ? {} : { plugin: through };
      return (await succeed(own.node, { verb, config: ovsNetwork(), container: "pod3", ...more })).stderr;
    };
    const attempts = () => fs.readFileSync(tried, "utf8").length;
    await own.node.addPod("pod3");
    await restart(["ovs-vswitchd"], "SIGKILL");
    const first = await call("ADD", plugin);
    expect(first).toMatch(/pod1, eth0: cannot be repaired: .*OFPT_ERROR/);
    expect(first).toMatch(/pod2, eth0: made again/);
    letTimePass(30);
    const second = await call("DEL", plugin);
    expect(second).toMatch(/pod1, eth0: cannot be repaired/);
    expect(second).not.toContain("pod2");
    const known = attempts();
    for (const verb of ["ADD", "DEL"] as const) expect(await call(verb, plugin)).toBe("");
    expect(attempts()).toBe(known);
    letTimePass(60);
    expect(await call("ADD")).toMatch(/pod1, eth0: made again/);
    await expectWhole();
    expect(await call("DEL")).toBe("");
  });

  /** As if all that is known of the switch's pods had been so for longer. */
  function letTimePass(seconds: number): void {
    const file = own.node.file("/run/podwire/switch-podwire0");
    const stamp = JSON.parse(fs.readFileSync(file, "utf8"));
    const { unmended } = stamp;
    const since = unmended.since - seconds;
    const earlier = { ...unmended, since, triedAt: unmended.triedAt - seconds };
    fs.writeFileSync(file, JSON.stringify({ ...stamp, unmended: earlier }));
  }

  describe("after a restart of ovs-vswitchd", () => {
    const daemons = ["ovs-vswitchd"] as const;

    test.each(["SIGTERM", "SIGKILL"] as const)("by %s are made whole by podwire apply", async (signal) => {
      await restart(daemons, signal);
      const { exitCode, stdout, stderr } = await apply();
      expect(exitCode, stdout + stderr).toBe(0);
      expect(stdout).toContain("pod1");
      await expectWhole();
      expect((await apply()).stdout).toContain("all as they were made");
    });

    test.each([
      ["an ADD of another pod", async () => void (await own.pod("pod3"))],
      ["a GC that keeps them", async () => expect((await own.gc(["pod1", "pod2"])).stdout).toBe("")],
    ])("are made whole by %s", async (_what, verb) => {
      await restart(daemons, "SIGKILL");
      await verb();
      await expectWhole();
    });

    test("are made whole by podwire apply --watch, which nobody tells of it", async () => {
      const watching = await watch(own.node);
      try {
        for (const signal of ["SIGKILL", "SIGTERM"] as const) {
          await restart(daemons, signal);
          await eventually(expectWhole);
        }
        expect(watching.said()).toMatch(/after a restart or change of Open vSwitch: container pod1/);
      } finally {
        await watching.stop();
      }
    });

    test("are made whole by a DEL of another pod", async () => {
      await own.pod("pod3");
      await restart(daemons, "SIGKILL");
      expect((await own.del("pod3")).stdout).toBe("");
      await expectWhole();
    });

    test("can be deleted without anything before, and leave nothing", async () => {
      await restart(daemons, "SIGKILL");
      for (const { name } of pods) expect((await own.del(name)).stdout).toBe("");
      await own.expectNothingLeft();
    });

    test("can be collected without anything before, and leave nothing", async () => {
      await restart(daemons, "SIGKILL");
      expect((await own.gc([])).stdout).toBe("");
      await own.expectNothingLeft();
    });

    test("whose netns is gone leave nothing after GC, and the others are whole", async () => {
      await own.pod("pod3");
      await own.node.run("ip", "netns", "delete", "pod3");
      await restart(daemons, "SIGKILL");
      expect((await own.gc(["pod1", "pod2"])).stdout).toBe("");
      await expectWhole();
      expect(await own.ports()).toHaveLength(2);
    });
  });

  test("are noticed as broken by CHECK after a restart that lost them, until they are mended", async () => {
    await restart(["ovs-vswitchd"], "SIGKILL");
    const answer = await own.check(pods[0]);
    expect(answer.json?.code).toBe(104);
    await apply();
    expect((await own.check(pods[0])).stdout).toBe("");
  });

  test("carry a whole transfer and their masquerading again after a restart and podwire apply", async () => {
    await restart(["ovs-vswitchd"], "SIGTERM");
    await apply();
    const server = await serve(own.node, "outside", 7000, "outside");
    const answer = await ask(own.node, { from: "pod1", to: "192.0.2.2", port: 7000, bytes: 5_000_000 });
    await server.stop();
    expect(answer).toMatchObject({ received: 5_000_000, caller: hostAddress });
  });

  /** A script that calls the real program, and then once waits before it tells of its success. */
  const halting = `${locate("ovs-ofctl")} "$@"; code=$?
    case "$*" in *add-flows*)
      if mkdir /run/halted 2> /dev/null; then while [ ! -e /run/go ]; do sleep 0.05; done; fi;;
    esac
    exit $code`;
  const halted = () => eventually(() => own.node.run("ls", "-d", "/run/halted"), 30);
  const goOn = () => own.node.run("touch", "/run/go");

  test("that another call repairs while one is being added leave that one whole too", async () => {
    await own.node.addPod("slow");
    const plugin = podwireWith(own.node, { "ovs-ofctl": halting });
    const adding = own.pod("slow", ovsNetwork(), { plugin });
    await halted();
    await restart(["ovs-vswitchd"], "SIGKILL");
    await own.pod("other");
    await goOn();
    const slow = await adding;
    expect((await own.check(slow)).stdout).toBe("");
    await own.node.run(...pings(slow.addresses[0]));
    await expectWhole();
  });

  test("are left to the ADD that came while they were being mended", async () => {
    await own.del("pod2");
    await restart(["ovs-vswitchd"], "SIGKILL");
    const command = podwireWith(own.node, { "ovs-ofctl": halting });
    const applying = own.node.attempt(command, ["apply"]);
    await halted();
    await own.del("pod1");
    const again = await own.pod("pod1");
    await goOn();
    await applying;
    for (const to of again.addresses) await own.node.run(...pings(to));
    expect((await own.check(again)).stdout).toBe("");
  });

  test("of several restarts in a row are made whole each time", async () => {
    for (let round = 0; round < 3; round++) {
      await restart(["ovs-vswitchd"], round % 2 === 0 ? "SIGKILL" : "SIGTERM");
      await own.pod(`extra${round}`);
      await expectWhole();
    }
  });

  test("of somebody else's bridge are made whole too, and its own flows are theirs", async () => {
    const config = ovsNetwork({ bridge: "br-other" }, { name: "othernet" });
    await own.ovs.run(
      "ovs-vsctl",
      "add-br",
      "br-other",
      "--",
      "set",
      "Bridge",
      "br-other",
      `datapath_type=${own.ovs.datapathType}`,
    );
    const ipam = {
      type: "host-local",
      ranges: [[{ subnet: "10.245.1.0/24" }], [{ subnet: "fd00:10:245:1::/64" }]],
      routes: [{ dst: "0.0.0.0/0" }],
    };
    const pod3 = await own.pod("pod3", { ...config, ipam });
    await restart(["ovs-vswitchd"], "SIGKILL");
    expect((await apply()).exitCode).toBe(0);
    await own.node.runIn("pod3", ...pings(hostAddress));
    await own.node.run(...pings(pod3.addresses[0]));
    expect((await own.check(pod3, { ...config, ipam })).stdout).toBe("");
    await expectWhole();
  });
});
