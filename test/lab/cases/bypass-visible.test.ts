// What people see of podwire_bypass and of their own rules while it works: the kill switch, the trace, and counters of rules.
import { describe, expect, test } from "vitest";
import { bypassCounts, countedDuring } from "../fixture/bypass.ts";
import { both, bypassPods, podLines } from "../fixture/bypass-pods.ts";
import { testedKernels } from "../fixture/kernels.ts";
import { cannotRunFullLab } from "../fixture/shared-lab.ts";
import { ask } from "../fixture/talk.ts";

/** A line of `podwire bypass status --watch --json`, as far as it is looked at. */
interface Look {
  readonly bypassed: { readonly pods: number };
}

describe.skipIf(cannotRunFullLab("podwire_bypass")).each(testedKernels)(
  "podwire_bypass on kernel %s",
  (kernel) => {
    const on = bypassPods(kernel, 1);
    const talk = async () =>
      expect(await ask(on.one, both(on.away.address))).toEqual([
        `away sees ${on.one.address}`,
        `away sees ${on.one.address} and 1`,
      ]);

    test("does nothing while its parameter is set, whatever is configured, and goes on when it is not", async () => {
      const { node1 } = on.lab;
      const parameter = "/sys/module/podwire_bypass/parameters/disabled";
      await on.setAll("mode bypass", ...podLines);
      expect((await countedDuring(node1, talk))["prerouting pod"]).toBeGreaterThan(3);
      try {
        await node1.sh(`echo 1 > ${parameter}`);
        expect(await countedDuring(node1, talk)).toEqual({});
        expect(await node1.sh(`cat ${parameter}; head -1 /proc/net/podwire_bypass`)).toBe(
          "Y\nmode bypass (disabled for all)",
        );
        expect(await node1.sh("podwire bypass status")).toMatch(/^not working: the module's parameter/);
        await expect(node1.sh(`echo perhaps > ${parameter}`)).rejects.toThrow("Invalid argument");
        // What is configured meanwhile holds afterwards.
        await on.setAll("mode bypass", ...podLines, `exclude ${on.one.address}/32`);
        expect(await countedDuring(node1, talk)).toEqual({});
      } finally {
        await node1.sh(`echo 0 > ${parameter}`);
      }
      expect((await countedDuring(node1, talk))["prerouting excluded"]).toBeGreaterThan(3);
    });

    test("does not say of one mode what another did", async () => {
      const { node1 } = on.lab;
      const headline = () => node1.sh("podwire bypass status | head -1");
      await on.setAll("mode bypass", ...podLines);
      await talk();
      expect(await headline()).toMatch(/^working: [0-9]+ packets skipped netfilter/);
      await on.setAll("mode observe", ...podLines);
      // Pods in use may send something on their own; it is no answer to what was asked before.
      const counted = async () => (await bypassCounts(node1))["prerouting pod"] ?? 0;
      expect(await counted()).toBeLessThan(4);
      await talk();
      const observed = await counted();
      expect(observed).toBeGreaterThan(3);
      expect(await headline()).toMatch(/^observing: [0-9]+ packets would have skipped netfilter/);
      // What was counted can be read when it is off, and goes on with the same mode.
      await on.setAll("mode off");
      expect(await counted()).toBe(observed);
      await on.setAll("mode observe", ...podLines);
      await talk();
      expect(await counted()).toBeGreaterThan(observed + 3);
      await on.setAll("mode bypass", ...podLines);
      expect(await counted()).toBeLessThan(4);
    });

    test("shows what goes on each second, as lines of JSON or as tables with rates", async () => {
      const { node1 } = on.lab;
      await on.setAll("mode bypass", ...podLines);
      // The clock of a loaded machine is not its own; so as long as it takes for two looks and something between.
      const watched = (flags: string, looks: number, mark: string) =>
        node1.sh(`timeout 120 podwire bypass status --watch ${flags} > /tmp/watched & pid=$!
          for attempt in $(seq 600); do [ $(grep -c '${mark}' /tmp/watched) -ge ${looks} ] && break; sleep 0.2; done
          kill $pid; cat /tmp/watched`);
      const [lines] = await Promise.all([watched("--json", 3, '"bypassed"'), talk()]);
      const looks = lines
        .trim()
        .split("\n")
        .slice(0, 3)
        .map((line) => JSON.parse(line) as Look);
      expect(looks).toHaveLength(3);
      for (const look of looks) expect(look).toMatchObject({ loaded: true, disabled: false, mode: "bypass" });
      const pods = looks.map(({ bypassed }) => bypassed.pods);
      expect(pods).toEqual(pods.toSorted((a, b) => a - b));
      await talk();
      const [table = "", again = ""] = (await watched("", 2, "^HOOK")).split("\n\n");
      for (const text of [table, again]) expect(text).toMatch(/^working: [0-9]+ packets skipped netfilter/);
      expect(table).toMatch(/^HOOK +REASON +PACKETS +BYTES$/m);
      expect(again).toMatch(/^HOOK +REASON +PACKETS +BYTES +PACKETS\/S$/m);
      expect(again).toMatch(/^prerouting +pod( +[0-9]+){3}$/m);
    });

    test("traces each verdict with its reason", async () => {
      const { node1 } = on.lab;
      const tracing = "/sys/kernel/tracing";
      await node1.sh(`mountpoint -q ${tracing} || mount -t tracefs tracefs ${tracing}`);
      await on.setAll("mode bypass", ...podLines);
      const counts = await countedDuring(node1, async () => {
        await node1.sh(`cd ${tracing}; echo > trace; echo 1 > events/podwire_bypass/podwire_bypass/enable`);
        await talk();
        await node1.sh(`echo 0 > ${tracing}/events/podwire_bypass/podwire_bypass/enable`);
      });
      const lines = (await node1.sh(`grep podwire_bypass: ${tracing}/trace`)).trim().split("\n");
      // NF_INET_PRE_ROUTING and NF_INET_FORWARD.
      const traced = (hook: number) =>
        lines.filter((line) => line.includes(`hook=${hook} mode=3 reason=pod`)).length;
      expect(traced(0)).toBe(counts["prerouting pod"]);
      expect(traced(2)).toBe(counts["forward pod"]);
      expect(lines[0]).toMatch(/netns=[0-9]+ skbaddr=\S+ len=[0-9]+ hook=[0-9] mode=3 reason=[a-z-]+$/);
    });

    test("keeps packets from rules' counters only where it says so", async () => {
      const { node1 } = on.lab;
      const outside = "192.0.2.254";
      const rules = {
        pods: `FORWARD -p tcp -d ${on.away.address} --dport 8080`,
        out: `FORWARD -p tcp -s ${on.one.address} -d ${outside} --dport 22`,
        input: `INPUT -p tcp -s ${on.one.address} --dport 22`,
        own: `OUTPUT -p tcp -d ${on.away.address} --dport 8080`,
      };
      for (const rule of Object.values(rules)) await node1.sh(`iptables -t mangle -A ${rule}`);
      const questions = [
        ...both(on.away.address),
        { protocol: "tcp", to: outside, port: 22 },
        { protocol: "tcp", to: node1.address, port: 22 },
      ] as const;
      try {
        const counted: Record<string, Record<string, number>> = {};
        for (const mode of ["off", "observe", "untrack", "bypass"] as const) {
          await on.setAll(`mode ${mode}`, ...podLines);
          await node1.sh("iptables -t mangle -Z");
          await ask(on.one, questions);
          await ask(node1, both(on.away.address));
          const listing = await node1.sh("iptables -t mangle -vxnL | awk '$1 ~ /^[0-9]+$/ { print $1 }'");
          const packets = listing.trim().split("\n").map(Number);
          // As chains are listed: INPUT, FORWARD, OUTPUT.
          const [input = 0, forPods = 0, out = 0, own = 0] = packets;
          counted[mode] = { input, pods: forPods, out, own };
        }
        for (const mode of ["off", "observe", "untrack"]) {
          for (const rule of Object.keys(rules))
            expect(counted[mode]?.[rule], `${mode} ${rule}`).toBeGreaterThan(0);
        }
        expect(counted["bypass"]?.["pods"]).toBe(0);
        for (const rule of ["input", "out", "own"])
          expect(counted["bypass"]?.[rule], `bypass ${rule}`).toBeGreaterThan(0);
      } finally {
        await node1.sh("iptables -t mangle -F");
      }
    });
  },
);
