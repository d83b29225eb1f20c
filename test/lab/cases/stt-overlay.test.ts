// An overlay of type stt that is kept while others harm it, between pods of two nodes: what comes back, who is refused, and what is
// said where the module or its port is not to be had.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { tcpFrame } from "../../stt-tunnel/packets.ts";
import { cut, packetOf, sttFlags, sttFrame } from "../../stt-tunnel/wire.ts";
import { writableModules } from "../fixture/built-module.ts";
import { testedKernels } from "../fixture/kernels.ts";
import { install, type LabOverlay, overlayNetwork, withdraw } from "../fixture/overlay.ts";
import { type Pod, pod } from "../fixture/pod.ts";
import { cannotRunFullLab, sharedLab } from "../fixture/shared-lab.ts";
import { ping, transfer } from "../fixture/traffic.ts";
import type { LabNode } from "../machine/node.ts";
import { content, inside } from "../stt/frames.ts";
import { counted, loadModule, moduleFile } from "../stt/tunnel.ts";
import { capture, pathBetween, send } from "../stt/wire.ts";

const stt: LabOverlay = { type: "stt" };

describe.skipIf(cannotRunFullLab("an overlay of type stt")).each(testedKernels)("on kernel %s", (kernel) => {
  const lab = sharedLab({ kernel });
  let one: Pod;
  let other: Pod;
  const declare = (node: LabNode, overlay: LabOverlay = stt) =>
    install(node, overlayNetwork(lab, node, overlay));
  const reach = async () => {
    for (const family of [4, 6] as const) {
      await ping(one, other, { count: 1, family });
      await ping(other, one, { count: 1, family });
    }
  };
  beforeAll(async () => {
    await loadModule(lab);
    for (const node of lab.nodes) await declare(node);
    one = await pod(lab.node1, overlayNetwork(lab, lab.node1, stt));
    other = await pod(lab.node2, overlayNetwork(lab, lab.node2, stt));
  }, 600_000);
  afterAll(async () => {
    await lab.node1.sh("[ ! -e /run/watch.pid ] || kill $(< /run/watch.pid)");
  });

  test("what ADD made is what apply declares, the list of peers by the kernel's own sum", async () => {
    const { changes } = JSON.parse(await lab.node1.sh("podwire apply --json"));
    expect(changes).toEqual([]);
    const { links, version } = JSON.parse(await lab.node1.sh("podwire stt status --json"));
    // Nor is there a word of another podwire's module.
    expect(await lab.node1.sh("podwire stt status | head -1")).toMatch(/^pw-stt up/);
    expect(version).toMatch(/^\d/);
    expect(links).toEqual([
      expect.objectContaining({
        name: "pw-stt",
        isUp: true,
        port: 7471,
        output: "notrack",
        peers: 1,
        counters: expect.objectContaining({ rx_bad_checksum: 0, reassembly_started: expect.any(Number) }),
      }),
    ]);
  });

  test.each([
    ["full", {}],
    ["none", {}],
    ["notrack", {}],
    ["notrack", { mtu: 20000 }],
  ])("output %s with %j", async (output, more) => {
    for (const node of lab.nodes) {
      await declare(node, { type: "stt", overlay: { output, ...more } });
      await node.sh("podwire apply");
    }
    await reach();
    await transfer(one, other, 8);
    await transfer(other, one, 8, 6);
  });

  test("a frame of 60 KB reaches the pod whole, as what is still to be segmented", async () => {
    const { partial, ipv4, tcp } = sttFlags;
    const inner = { ...inside, source: one.address, target: other.address };
    const frame = tcpFrame(inner, content(60_000), "partial");
    const outer = pathBetween(lab.node1, lab.node2, 4);
    const segments = cut(sttFrame(frame, { flags: partial | ipv4 | tcp, l4Offset: 34, mss: 1300 }), 1400);
    // The pod answers what it has no connection for.
    const filter = `tcp and dst host ${other.address}`;
    const inPod = await capture({ ...lab.node2, sh: other.sh }, "eth0", filter, () =>
      send(
        lab.node1,
        segments.map((segment) => packetOf(outer, segment, { packetId: 9 })),
      ),
    );
    expect(inPod.map(({ length }) => length)).toEqual([frame.length]);
  });

  describe("kept by apply --watch", () => {
    beforeAll(async () => {
      for (const node of lab.nodes) {
        await declare(node);
        await node.sh("podwire apply");
      }
      await lab.node1.sh(`
        setsid podwire apply --watch > /run/watch.log 2>&1 < /dev/null & echo $! > /run/watch.pid
        for attempt in $(seq 100); do grep -q 'all is as declared' /run/watch.log && exit 0; sleep 0.2; done
        cat /run/watch.log; exit 1`);
    });

    const state = () =>
      lab.node1.sh(`podwire-stt-ctl show pw-stt; ip -o link show pw-stt | sed 's/^[0-9]*: //'
        ip route show proto 120; ip -6 route show proto 120; ip -o address show dev pw-stt | sed 's/^[0-9]*: //'`);
    test.each([
      ["is deleted", "ip link delete pw-stt"],
      ["is down", "ip link set pw-stt down"],
      ["has another MTU", "ip link set pw-stt mtu 1300"],
      ["takes segments from anybody", "podwire-stt-ctl set pw-stt peers any"],
      ["takes segments from somebody else", "echo 192.0.2.77 | podwire-stt-ctl set pw-stt peers -"],
      ["has another output", "podwire-stt-ctl set pw-stt output full"],
      ["has another port", "ip link delete pw-stt; podwire-stt-ctl add pw-stt port 7472"],
      ["is of another kind", "ip link delete pw-stt; ip link add pw-stt type dummy"],
      ["has lost its routes", "ip route flush proto 120; ip -6 route flush proto 120"],
    ])("the device is repaired when it %s", async (_, harm) => {
      const before = await state();
      await lab.node1.sh(`
        pid=$(< /run/watch.pid); kill -STOP $pid
        (${harm}); status=$?
        kill -CONT $pid; exit $status`);
      await expect.poll(state, { timeout: 120_000, interval: 500 }).toBe(before);
      await reach();
    });

    test("a node that is no peer any more is refused, and taken back", async () => {
      const all = overlayNetwork(lab, lab.node2, stt);
      await install(lab.node2, overlayNetwork({ ...lab, nodes: [lab.node2] }, lab.node2, stt));
      await lab.node2.sh("podwire apply");
      const changes = await counted(lab.node2, () => one.sh(`ping -c 3 -W 1 ${other.address} || true`));
      expect(changes).toMatchObject({ rx_policy_drop: 3 });
      expect(changes).not.toHaveProperty("rx_frames");
      await install(lab.node2, all);
      await lab.node2.sh("podwire apply");
      await reach();
    });
  });

  describe("where nothing is left of it", () => {
    beforeAll(async () => {
      await lab.node1.sh("kill $(< /run/watch.pid); rm /run/watch.pid");
      await one.remove();
      await other.remove();
      expect(await Promise.all(lab.nodes.map(withdraw))).toEqual(["", ""]);
      await declare(lab.node1);
    });
    const refused = async (harm: string, cure: string, words: RegExp) => {
      const before = await lab.node1.sh(`${harm}; ip -o link | sed 's/^[0-9]*: //'`);
      const { exitCode, stderr } = await lab.node1.attempt("podwire", ["apply"]);
      const after = await lab.node1.sh(`ip -o link | sed 's/^[0-9]*: //'; ip route show proto 120; ${cure}`);
      expect([exitCode, after]).toEqual([1, before]);
      expect(stderr).toMatch(words);
    };

    test("a program that listens on the port is said to be in the way, and nothing is left", async () => {
      const listen = "setsid nc -kl 7471 > /dev/null 2>&1 < /dev/null & echo $! > /run/nc.pid; sleep 1";
      await refused(listen, "kill $(< /run/nc.pid)", /TCP port 7471 is in use by another program/);
    });

    test("a link of the same kind and port is named as what is in the way", async () => {
      await refused("ip link add other type stt", "ip link delete other", /has this port.*remove that link/);
    });

    test("without the module ADD, apply and STATUS say what to do; with it all is well", async () => {
      await refused(
        "rmmod podwire_stt",
        "true",
        /podwire_stt is neither loaded nor installed.*podwire stt load/,
      );
      await expect(pod(lab.node1, overlayNetwork(lab, lab.node1, stt))).rejects.toThrow(/podwire stt load/);
      const status = await lab.node1.attempt("podwire", ["stt", "status"]);
      expect([status.exitCode, status.stdout]).toEqual([1, expect.stringContaining("podwire stt load")]);
      await lab.node1.sh(`podwire stt load --file ${moduleFile}; podwire apply; podwire stt status`);
    });

    test("an installed module is loaded by the kernel itself", async () => {
      await withdraw(lab.node1);
      await declare(lab.node1);
      await lab.node1.sh(`podwire stt unload
        ${writableModules}
        mkdir -p $directory/updates; cp ${moduleFile} $directory/updates/; depmod
        podwire apply; podwire stt status
        podwire stt unload; umount $directory`);
    });
  });
});
