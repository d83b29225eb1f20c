// podwire_bypass as podwire controls it: built by podwire, loaded, set by networks' configurations and by hand. For a release.
import path from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { type BuiltModule, bring, buildByPodwire } from "../fixture/built-module.ts";
import { both } from "../fixture/bypass-pods.ts";
import { isFull, testedKernels } from "../fixture/kernels.ts";
import { overlayNetwork } from "../fixture/overlay.ts";
import { type Pod, pod } from "../fixture/pod.ts";
import { cannotRunFullLab, sharedLab } from "../fixture/shared-lab.ts";
import { answerAs, ask } from "../fixture/talk.ts";
import { transfer } from "../fixture/traffic.ts";
import type { LabNode } from "../machine/node.ts";

interface Status {
  readonly loaded: boolean;
  readonly mode: string;
  readonly pods: readonly string[];
  readonly bypassed: { readonly pods: number };
  readonly counters: readonly { hook: string; reason: string; packets: number }[];
}

const status = async (node: LabNode) =>
  JSON.parse(await node.sh("podwire bypass status --json || true")) as Status;

/** The kernel makes what it shows there anew when somebody looks again, which shall be seconds later. */
const forgetSysfs = "sync; echo 2 > /proc/sys/vm/drop_caches; sleep 2";

/** How many packets by "hook reason" came to each counter while `use` ran. */
async function grown(node: LabNode, use: () => Promise<unknown>): Promise<Record<string, number>> {
  const counts = async () =>
    new Map((await status(node)).counters.map(({ hook, reason, packets }) => [`${hook} ${reason}`, packets]));
  const before = await counts();
  await use();
  const after = [...(await counts())].map(([key, count]) => [key, count - (before.get(key) ?? 0)] as const);
  return Object.fromEntries(after.filter(([, count]) => count > 0));
}

describe.skipIf(cannotRunFullLab("the control of podwire_bypass")).each(testedKernels)(
  "the control of podwire_bypass on kernel %s",
  (kernel) => {
    const lab = sharedLab({ kernel });
    let built: BuiltModule;
    let one: Pod;
    let away: Pod;

    const conflist = (node: LabNode, type: "host-gw" | "vxlan", bypass: object) =>
      overlayNetwork(lab, node, { type, network: { bypass } });
    /** On both nodes: the configuration, and what apply makes of it. */
    const declare = (type: "host-gw" | "vxlan", bypass: object) =>
      Promise.all(
        lab.nodes.map(async (node) => {
          await node.sh("mkdir -p /etc/cni/net.d");
          await node.write(
            "/etc/cni/net.d/10-podwire.conflist",
            JSON.stringify(conflist(node, type, bypass)),
          );
          return node.sh("podwire apply 2>&1");
        }),
      );
    const talk = async () => {
      expect(await ask(one, both(away.address))).toEqual([
        `away sees ${one.address}`,
        `away sees ${one.address} and 1`,
      ]);
    };
    const own = "10.244.1.0/24";
    const all = [own, "10.244.2.0/24", "fd00:10:244:1::/64", "fd00:10:244:2::/64"];

    beforeAll(async () => {
      built = await buildByPodwire("bypass", kernel);
    }, 900_000);

    test("is built by podwire for the guest's kernel, and a guest without headers is told which package has them", async () => {
      const { node1 } = lab;
      expect(path.basename(built.file)).toBe("podwire_bypass.ko");
      expect(built.file).toContain(`/var/cache/podwire/modules/${built.release}/`);
      expect((await node1.attempt("podwire", ["bypass", "build"])).stderr).toContain(
        `the headers of Linux ${built.release} are not installed; install linux-headers-${built.release}: apt-get install`,
      );
      expect((await node1.attempt("podwire", ["bypass", "load"])).stderr).toContain(
        `there is none for Linux ${built.release}: podwire bypass build`,
      );
    });

    test("auto without the module wires pods; they are bypassed from the next ADD on once it is loaded", async () => {
      one = await pod(lab.node1, conflist(lab.node1, "host-gw", { mode: "auto" }));
      away = await pod(lab.node2, conflist(lab.node2, "host-gw", { mode: "auto" }));
      await answerAs("away", away);
      await answerAs("one", one);
      await talk();
      for (const node of lab.nodes) await bring(node, built);
      await Promise.all(lab.nodes.map((node) => node.run("podwire", "bypass", "load")));
      expect(await status(lab.node1)).toMatchObject({ loaded: true, mode: "off" });
      const more = await Promise.all(
        lab.nodes.map((node) => pod(node, conflist(node, "host-gw", { mode: "auto" }))),
      );
      const found = await status(lab.node1);
      expect(found).toMatchObject({
        mode: "bypass",
        networks: [{ network: "podnet", mode: "auto" }],
        obstacles: [],
        tunnels: [],
        peers: [],
      });
      expect(found.pods.toSorted()).toEqual(all.toSorted());
      // The first one's flows are known to conntrack for a while.
      await lab.node1.sh("conntrack -F 2> /dev/null || true");
      await ask(one, both(more[1]?.address ?? ""));
      await talk();
      expect((await status(lab.node1)).bypassed.pods).toBeGreaterThan(5);
      expect(await lab.node1.sh("podwire bypass status | head -1")).toMatch(
        /^working: [0-9]+ packets skipped netfilter/,
      );
      await Promise.all(more.map((each) => each.remove()));
    });

    test("a file that is another kernel's, or another module, is refused by name", async () => {
      const { node1 } = lab;
      await node1.run("podwire", "bypass", "unload");
      const load = async (file: string) =>
        (await node1.attempt("podwire", ["bypass", "load", "--file", file])).stderr;
      const other = built.release.replace(/^[0-9]/, "9");
      await node1.sh(`sed 's/vermagic=${built.release}/vermagic=${other}/' "${built.file}" > /tmp/other.ko`);
      expect(await load("/tmp/other.ko")).toContain(
        `/tmp/other.ko was built for Linux ${other}, and this is Linux ${built.release}: podwire bypass build`,
      );
      const foreign = (await node1.run("modinfo", "-F", "filename", "vxlan")).trim();
      expect(await load(foreign)).toContain(`${foreign} is the kernel module vxlan; expected podwire_bypass`);
      await node1.run("podwire", "bypass", "load", "--file", built.file);
      expect(await node1.sh("podwire apply")).toContain("bypass: traffic between 4 prefixes of pods");
    });

    test("vxlan's tunnel is bypassed from the overlay's plan, and not any more after host-gw or none", async () => {
      for (const said of await declare("vxlan", { mode: "auto" }))
        expect(said).toContain("bypass: traffic between 4 prefixes of pods, and tunnels to 1 peers");
      expect(await status(lab.node1)).toMatchObject({
        mode: "bypass",
        node: [`${lab.node1.address}/32`],
        peers: [`${lab.node2.address}/32`],
        tunnels: ["udp 4789"],
      });
      const counts = await grown(lab.node1, async () => {
        await talk();
        await transfer(one, away, 3);
      });
      expect(counts["output tunnel"]).toBeGreaterThan(10);
      expect(counts["prerouting tunnel"]).toBeGreaterThan(10);
      // A mark by which IPsec would take the tunnel is no pod's affair.
      const rule = "OUTPUT -p udp --dport 4789 -j MARK --set-mark 1";
      await lab.node1.sh(`iptables -t mangle -A ${rule}`);
      try {
        expect(await lab.node1.sh("podwire apply")).toMatch(
          /bypass: traffic between 4 prefixes of pods; no tunnels, because rule [0-9]+ of chain ip mangle OUTPUT \(MARK\)/,
        );
        expect(await status(lab.node1)).toMatchObject({ mode: "bypass", node: [], peers: [], tunnels: [] });
        expect(await lab.node1.sh("podwire bypass status")).toContain("no tunnels, because of rule");
        expect((await grown(lab.node1, talk))["output tunnel"]).toBe(undefined);
      } finally {
        await lab.node1.sh(`iptables -t mangle -D ${rule}`);
      }
      await declare("host-gw", { mode: "auto" });
      expect(await status(lab.node1)).toMatchObject({ mode: "bypass", node: [], peers: [], tunnels: [] });
    });

    test("a rule about pods switches it off, and apply on again when it is gone", async () => {
      const { node1 } = lab;
      await node1.sh(`nft 'add table ip own; add chain ip own f { type filter hook forward priority 0; }
        add rule ip own f ip daddr ${away.address} tcp dport 8080 drop'`);
      try {
        expect(await node1.sh("podwire apply")).toMatch(
          /bypass: off, because rule [0-9]+ of chain ip own f \(drop\)/,
        );
        expect(await status(node1)).toMatchObject({ mode: "off" });
        expect(await node1.sh("podwire doctor || true")).toMatch(/warning +bypass: off, because rule/);
        expect(await node1.sh("podwire bypass status")).toContain("of chain ip own f (drop)");
        expect((await ask(one, both(away.address)))[0]).toBe("no connection");
        // By hand it is refused too, and what is forced is in the kernel's log.
        const set = `podwire bypass set --mode bypass --pods ${all.join(",")}`;
        await expect(node1.sh(set)).rejects.toThrow("of chain ip own f (drop)");
        await node1.sh(`${set} --force`);
        expect(await node1.kernelLog()).toContain("bypass set --force, mode bypass, in spite of: rule");
        expect(await node1.sh("podwire bypass status")).toContain("set by hand, in spite of:");
      } finally {
        await node1.sh("nft delete table ip own");
      }
      expect(await node1.sh("podwire apply")).toContain("bypass: traffic between");
      await talk();
    });

    test("what is excluded by hand stays so, whoever sets the module", async () => {
      const { node1 } = lab;
      await node1.sh(`podwire bypass set --exclude ${one.address}/32`);
      const counts = await grown(node1, talk);
      expect(counts["prerouting pod"]).toBe(undefined);
      expect(counts["prerouting excluded"]).toBeGreaterThan(3);
      await node1.sh("podwire apply");
      expect(await status(node1)).toMatchObject({ mode: "bypass", excluded: [`${one.address}/32`] });
      await node1.sh("podwire bypass set --exclude ''");
      expect(await status(node1)).toMatchObject({ mode: "bypass", excluded: [] });
      // Off by hand holds over an ADD.
      expect(await node1.sh("podwire bypass off 2>&1")).toContain("network podnet (auto) wishes the bypass");
      await node1.sh(forgetSysfs);
      await (await pod(node1, conflist(node1, "host-gw", { mode: "auto" }))).remove();
      expect(await status(node1)).toMatchObject({ mode: "off", byHand: "off" });
      await node1.sh("podwire apply");
      expect(await status(node1)).toMatchObject({ mode: "bypass" });
    });

    test("what a configuration excludes stays so, whatever it wishes and whoever sets the module", async () => {
      const { node1 } = lab;
      await declare("host-gw", { mode: "off", exclude: [`${one.address}/32`] });
      await node1.sh(`podwire bypass set --mode bypass --pods ${all.join(",")}`);
      expect(await status(node1)).toMatchObject({ mode: "bypass", excluded: [`${one.address}/32`] });
      await declare("host-gw", { mode: "auto" });
      await node1.sh("podwire apply");
      expect(await status(node1)).toMatchObject({ mode: "bypass", excluded: [] });
    });

    test("what is not excluded any more is looked at first", async () => {
      const { node1 } = lab;
      const byHand = `podwire bypass set --mode bypass --pods ${all.join(",")}`;
      await node1.sh(`nft 'add table ip own; add chain ip own f { type filter hook forward priority 0; }
        add rule ip own f ip saddr ${one.address} tcp dport 9 drop'`);
      try {
        await node1.sh(`${byHand} --exclude ${one.address}/32`);
        await expect(node1.sh("podwire bypass set --exclude ''")).rejects.toThrow("of chain ip own f (drop)");
        expect(await status(node1)).toMatchObject({ mode: "bypass", excluded: [`${one.address}/32`] });
        await expect(node1.sh(`${byHand} --exclude ''`)).rejects.toThrow("of chain ip own f (drop)");
        expect(await status(node1)).toMatchObject({ mode: "bypass", excluded: [`${one.address}/32`] });
        await node1.sh("podwire bypass set --exclude '' --force");
        expect(await status(node1)).toMatchObject({ mode: "bypass", excluded: [], byHand: "forced" });
      } finally {
        await node1.sh("nft delete table ip own");
      }
      expect(await node1.sh("podwire apply")).toContain("bypass: traffic between");
    });

    test("many ADDs and DELs at once leave the sets as they are", async () => {
      const { node1 } = lab;
      const { mode, pods } = await status(node1);
      const more = await Promise.all(
        Array.from({ length: isFull ? 12 : 5 }, () =>
          pod(node1, conflist(node1, "host-gw", { mode: "auto" })),
        ),
      );
      const [first] = more;
      const counts = await grown(node1, () => ask(first as Pod, both(away.address)));
      expect(counts["prerouting pod"]).toBeGreaterThan(3);
      await Promise.all(more.map((each) => each.remove()));
      expect(await status(node1)).toMatchObject({ mode, pods });
    });

    test("unloaded under traffic nothing breaks, and on loads and sets it again at the next ADD", async () => {
      const { node1 } = lab;
      const moving = transfer(one, away, 20);
      await node1.run("podwire", "bypass", "unload");
      await moving;
      expect((await status(node1)).loaded).toBe(false);
      await (await pod(node1, conflist(node1, "host-gw", { mode: "on" }))).remove();
      expect(await status(node1)).toMatchObject({
        mode: "bypass",
        networks: [{ network: "podnet", mode: "on" }],
      });
      await talk();
    });

    test("a lease is renewed by apply --watch, and nothing is bypassed when that has ended", async () => {
      const { node1 } = lab;
      await declare("host-gw", { mode: "auto", lease: 20 });
      expect(await status(node1)).toMatchObject({ mode: "bypass", lease: 20 });
      await node1.sh(
        "setsid podwire apply --watch > /tmp/watch.log 2>&1 < /dev/null & echo $! > /tmp/watch.pid",
      );
      await node1.sh("sleep 45; head -1 /proc/net/podwire_bypass | grep 'mode bypass'");
      await node1.sh(`kill $(cat /tmp/watch.pid)
        for attempt in $(seq 60); do head -1 /proc/net/podwire_bypass | grep 'mode off' && exit; sleep 1; done; exit 1`);
      expect(await node1.sh("cat /tmp/watch.log")).toContain("bypass: traffic between 4 prefixes of pods");
    });

    test("off in the configuration takes back what podwire set", async () => {
      for (const said of await declare("host-gw", { mode: "auto" }))
        expect(said).toContain("bypass: traffic between");
      await Promise.all(lab.nodes.map((node) => node.sh(forgetSysfs)));
      for (const said of await declare("host-gw", { mode: "off" }))
        expect(said).toContain("bypass: off, no network wishes it any more");
      for (const node of lab.nodes) {
        expect(await status(node)).toMatchObject({ mode: "off", pods: [], excluded: [], networks: [] });
        expect(await node.sh("ls /run/podwire/bypass.json 2>&1 || true")).toContain("No such file");
      }
    });
  },
);
