// What nobody should send to the STT module: lies, other hosts' segments, random changes, floods. Nothing of it arrives,
// nothing of it stays.
import { describe, expect, test } from "vitest";
import { tcpFrame } from "../../stt-tunnel/packets.ts";
import { cut, packetOf, type Segment, sttFlags, sttFrame } from "../../stt-tunnel/wire.ts";
import { isFull, testedKernels, watchedMemory } from "../fixture/kernels.ts";
import { cannotRunFullLab, sharedLab } from "../fixture/shared-lab.ts";
import { ping, transfer } from "../fixture/traffic.ts";
import type { LabNode } from "../machine/node.ts";
import { tunnelForSegments } from "../stt/delivery.ts";
import {
  broken,
  content,
  inside,
  inside6,
  large,
  lying,
  one,
  overlapping,
  pieces,
  reversed,
  type Send,
  small,
  tail,
  tiny,
  withTwoLengths,
} from "../stt/frames.ts";
import { type Counters, changesOf, counted, counters, endOf, type Family } from "../stt/tunnel.ts";
import { capture, pathBetween, send, sendMeanwhile } from "../stt/wire.ts";

const { partial, ipv4, tcp } = sttFlags;
const families = [4, 6] as const;

describe.skipIf(cannotRunFullLab("hostile STT")).each(testedKernels)("STT on kernel %s", (kernel) => {
  const lab = sharedLab({ kernel, processors: 2, kernelArguments: watchedMemory });
  const deliver = tunnelForSegments(lab);

  const lies: readonly [string, (send: Send) => readonly Buffer[], Counters][] = [
    ["an overlap", (send) => send(overlapping()), { reassembly_conflict: 1 }],
    ["an overlap from before", (send) => send(reversed(overlapping())), { reassembly_conflict: 1 }],
    ["two lengths of one frame", (send) => send(withTwoLengths()), { reassembly_conflict: 1 }],
    [
      "a segment beyond the frame's end",
      (send) => send([{ ...tail(), offset: 60_000 }]),
      { rx_bad_segment: 1 },
    ],
    ["a frame of no length", (send) => send([{ ...tail(), total: 0 }]), { rx_bad_segment: 1 }],
    [
      "a frame too short for a frame",
      (send) => send([{ total: 31, offset: 0, data: content(31) }]),
      { rx_bad_segment: 1 },
    ],
    ["a segment without data", (send) => send([{ ...tail(), data: Buffer.alloc(0) }]), { rx_bad_segment: 1 }],
    ["TCP options", (send) => send(one(small()), { headerSize: 6 }), { rx_bad_segment: 1 }],
    [
      "a TCP header that is too short",
      (send) => send(one(small()), { headerSize: 4 }),
      { rx_bad_segment: 1 },
    ],
    ["SYN", (send) => send(one(small()), { flags: 0x12 }), { rx_bad_segment: 1 }],
    ["RST", (send) => send(one(small()), { flags: 0x14 }), { rx_bad_segment: 1 }],
    ["FIN", (send) => send(one(small()), { flags: 0x11 }), { rx_bad_segment: 1 }],
    ["a wrong checksum", (send) => send(one(small())).map(broken), { rx_bad_checksum: 1 }],
    ["another version", (send) => send(cut(sttFrame(small(), { version: 1 }), 1400)), { rx_bad_version: 1 }],
    ["a checksum at a wrong place", (send) => send(lying({ l4Offset: 35 })), { rx_bad_offload: 1 }],
    ["a checksum behind the frame", (send) => send(lying({ l4Offset: 255 })), { rx_bad_offload: 1 }],
    ["IPv4 called IPv6", (send) => send(lying({ flags: partial })), { rx_bad_offload: 1 }],
    ["UDP called TCP", (send) => send(lying({ flags: partial | ipv4 | tcp })), { rx_bad_offload: 1 }],
    ["segments of one byte", (send) => send(tiny()), { rx_bad_offload: 1 }],
    ["more segments than a frame can need", (send) => send(pieces(large(), 19)), {}],
  ];
  describe.each(families)("over IPv%i", (family) => {
    test.each(lies)("nothing arrives of a frame with %s", async (_, make, expected) => {
      const { delivered, changes } = await deliver(make, family);
      expect(delivered).toEqual([]);
      expect(changes).toMatchObject(expected);
      expect(changes).not.toHaveProperty("rx_frames");
    });
  });

  test("a frame that stays incomplete is forgotten", async () => {
    await lab.node1.sh("sleep 2");
    const before = await received(lab.node2);
    const changes = await counted(lab.node2, async () => {
      const { delivered } = await deliver((send) => send(pieces(large()).slice(0, -1)));
      expect(delivered).toEqual([]);
      await lab.node1.sh("sleep 2");
    });
    expect(changes).toMatchObject({ reassembly_started: 1, reassembly_timed_out: 1 });
    expect(await received(lab.node2)).toEqual({ ...before, dropped: before.dropped + 1 });
  });

  test("the link's own counters know of frames that could not be put together", async () => {
    const before = await received(lab.node2);
    await deliver((send) => send(overlapping()));
    expect(await received(lab.node2)).toEqual({ ...before, errors: before.errors + 1 });
  });

  const peers: readonly [Family, string, boolean][] = [
    [4, "", false],
    [4, "192.0.2.3\\n198.51.100.0/24\\n2001:db8::/32\\n", false],
    [4, "192.0.2.3\\n192.0.2.1\\n192.0.2.9\\n", true],
    [4, "192.0.2.0/31\\n10.0.0.0/8\\n192.0.0.0/16\\n", true],
    [4, "192.0.2.2/31\\n", false],
    [4, "0.0.0.0/0\\n", true],
    [4, "any", true],
    [6, "", false],
    [6, "2001:db8::3\\n2001:db8:1::/48\\n192.0.2.0/24\\n", false],
    [6, "2001:db8::3\\n2001:db8::1\\n2001:db8::9\\n", true],
    [6, "2001:db8::/127\\nfd00::/8\\n2001::/16\\n", true],
    [6, "2001:db8::2/127\\n", false],
    [6, "0.0.0.0/0\\n", false],
    [6, "::/0\\n", true],
    [6, "any", true],
  ];
  test.each(peers)("over IPv%i, with the peers %j, a segment arrives: %s", async (family, prefixes, isIn) => {
    await lab.node2.sh(
      `printf '${prefixes}' | podwire-stt-ctl set pw-stt peers ${prefixes === "any" ? "any" : "-"}`,
    );
    const { delivered, changes } = await deliver((send) => send(one(small())), family);
    expect(delivered).toHaveLength(isIn ? 1 : 0);
    expect(changes).toMatchObject(isIn ? { rx_frames: 1 } : { rx_policy_drop: 1 });
  });

  test("a pod that sends as if it were a peer is not heard where the host looks at the way back", async () => {
    const { node1, node2 } = lab;
    const mac = await node2.sh(`
      ip netns add liar; ip link add liar0 type veth peer name eth0 netns liar
      ip link set liar0 up; ip -n liar link set eth0 up
      cat /sys/class/net/liar0/address`);
    const path = { ...pathBetween(node1, node2, 4), targetMac: mac };
    const heard = async (packetId: number) =>
      (
        await counted(node2, () =>
          send(node2, [packetOf(path, one(small())[0] as Segment, { packetId })], { netns: "liar" }),
        )
      )["rx_frames"] === 1;
    expect(await heard(6)).toBe(true);
    await node2.sh("sysctl -q net.ipv4.conf.liar0.rp_filter=1");
    expect(await heard(7)).toBe(false);
    await node2.sh("ip netns delete liar");
  });

  test.each([
    [4, "203.0.113.7", "net.ipv4.ip_forward"],
    [6, "2001:db8:99::7", "net.ipv6.conf.all.forwarding"],
  ] as const)("over IPv%i what is for another host is not taken", async (family, target, forwarding) => {
    const path = { ...pathBetween(lab.node1, lab.node2, family), target };
    const packet = packetOf(path, one(small())[0] as Segment, { packetId: 5 });
    await lab.node2.sh(`sysctl -q ${forwarding}=1`);
    const forwarded = await capture(
      lab.node2,
      "eth0",
      `src host ${path.source} and dst host ${target}`,
      async () => {
        const changes = await counted(lab.node2, () => send(lab.node1, [packet]));
        expect(changes).not.toHaveProperty("rx_segments");
      },
    );
    await lab.node2.sh(`sysctl -q ${forwarding}=0`);
    expect(forwarded).toHaveLength(2);
  });

  test("random changes of all of it do no harm", async () => {
    const v4 = pathBetween(lab.node1, lab.node2, 4);
    const v6 = pathBetween(lab.node1, lab.node2, 6);
    const stt = [
      ...pieces(large(), 700),
      ...one(small()),
      ...lying({}),
      ...cut(
        sttFrame(tcpFrame(inside, content(3000), "partial"), { flags: 14, l4Offset: 34, mss: 500 }),
        1400,
      ),
      ...cut(
        sttFrame(tcpFrame(inside6, content(3000), "partial"), { flags: 10, l4Offset: 54, mss: 500 }),
        1400,
      ),
    ];
    const packets = stt.flatMap((segment, index) =>
      [v4, v6].map((path) => packetOf(path, segment, { packetId: index % 4 })),
    );
    const before = await freeMemory(lab.node2);
    const changes = await counted(lab.node2, () =>
      send(lab.node1, packets, { count: isFull ? 1_000_000 : 150_000, seed: 1 }),
    );
    console.log(`kernel ${kernel}: random changes: ${JSON.stringify(changes)}`);
    for (const seen of ["rx_bad_segment", "rx_bad_checksum", "rx_bad_version", "rx_bad_offload", "rx_frames"])
      expect(changes, seen).toHaveProperty(seen);
    await ping(endOf(lab.node1), endOf(lab.node2));
    // Unfinished frames last a second, what IP puts together thirty.
    await lab.node2.sh("sleep 35");
    const kept = before - (await freeMemory(lab.node2));
    console.log(`kernel ${kernel}: random changes: ${kept} kB less afterwards`);
    expect(kept).toBeLessThan(4 * 1024);
  }, 900_000);

  test.each([
    ["one segment each", 4000, 1, 1400],
    // More bytes than a CPU may hold before there are too many frames, or they are too old.
    ["many segments each", 250, 7, 8000],
  ])(
    "a flood of frames without an end, %s, holds little memory and lets good ones pass",
    async (kind, frames, each, length) => {
      const { node1, node2 } = lab;
      const path = pathBetween(node1, node2, 4);
      const flood = Array.from({ length: frames }, (_, packetId) =>
        Array.from({ length: each }, (_, index) => {
          const segment = { total: 60_000, offset: index * length, data: content(length) };
          return packetOf(path, segment, { packetId, sourcePort: 1000 + packetId });
        }),
      ).flat();
      const before = await freeMemory(node2);
      // So that good frames are put together as well.
      for (const node of lab.nodes)
        await node.sh(
          "ethtool -K eth0 tso off gso off; ip link set eth0 mtu 9000; ip link set pw-stt mtu 20000",
        );
      const sampler = await node2.sh(`
      setsid bash -c 'while :; do ${free}; sleep 0.2; done' \
        > /tmp/free 2> /dev/null < /dev/null & echo $!`);
      const changes = await counted(node2, async () => {
        // A good frame's segments must come between those of fewer bad ones than are kept.
        await sendMeanwhile(node1, flood, 3000, async () => {
          const start = await counters(node2);
          await transfer(endOf(node2), endOf(node1), 1);
          await transfer(endOf(node1), endOf(node2), 1);
          const seen = async () => changesOf(start, await counters(node2))["rx_segments"] ?? 0;
          await expect.poll(seen, { timeout: 300_000, interval: 2000 }).toBeGreaterThan(10_000);
        });
        await send(node1, flood, { count: isFull ? 1_000_000 : 60_000 });
      });
      const samples = (await node2.sh(`kill -- -${sampler.trim()}; cat /tmp/free`)).trim().split("\n");
      for (const node of lab.nodes)
        await node.sh(
          "ethtool -K eth0 tso on gso on; ip link set pw-stt mtu 1408; ip link set eth0 mtu 1500; sleep 2",
        );
      // Pages go from a CPU's to all while they are counted: a few samples lack them.
      const least = samples.map(Number).sort((a, b) => a - b)[Math.floor(samples.length / 10)] ?? 0;
      const held = before - least;
      console.log(`kernel ${kernel}: flood, ${kind}: ${held} kB less, ${JSON.stringify(changes)}`);
      expect(samples.length).toBeGreaterThan(10);
      const { reassembly_evicted = 0, reassembly_timed_out = 0 } = changes;
      expect(reassembly_evicted + reassembly_timed_out).toBeGreaterThan(1000);
      expect(reassembly_evicted).toBeGreaterThan(0);
      expect(changes["reassembly_completed"]).toBeGreaterThan(0);
      // 4 MB for each of four tables, and 256 buffers of the card's, which are as large as what it received.
      expect(held).toBeLessThan(22 * 1024);
    },
    2_400_000,
  );
});

/**
 * Prints in kB what is not the kernel's own: files that were read and programs come and go. CPUs keep dozens of MB of
 * free pages to themselves after a flood (count), which no total in /proc/meminfo has.
 */
const free = `awk "/nr_free_pages |count:|nr_file_pages |nr_anon_pages / { sum += 4 * \\$2 } END { print sum }" /proc/zoneinfo`;

async function freeMemory(node: LabNode): Promise<number> {
  return Number(await node.sh(`sync; echo 3 > /proc/sys/vm/drop_caches; ${free}`));
}

/** What `ip -s link` says was lost. */
async function received(node: LabNode): Promise<{ errors: number; dropped: number }> {
  const [link] = JSON.parse(await node.sh("ip -json -s link show pw-stt"));
  const { errors, dropped } = link.stats64.rx;
  return { errors, dropped };
}
