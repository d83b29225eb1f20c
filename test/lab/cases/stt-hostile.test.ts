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
import { type Counters, counted, counters, endOf } from "../stt/tunnel.ts";
import { capture, pathBetween, send } from "../stt/wire.ts";

const { partial, ipv4, tcp } = sttFlags;

describe.skipIf(cannotRunFullLab("hostile STT")).each(testedKernels)("STT on kernel %s", (kernel) => {
  const lab = sharedLab({ kernel, kernelArguments: watchedMemory });
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
  test.each(lies)("nothing arrives of a frame with %s", async (_, make, expected) => {
    const { delivered, changes } = await deliver(make);
    expect(delivered).toEqual([]);
    expect(changes).toMatchObject(expected);
    expect(changes).not.toHaveProperty("rx_frames");
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

  test("who is not on the list of peers reaches nobody, and who is does", async () => {
    const set = (prefixes: string) =>
      lab.node2.sh(
        `printf '${prefixes}' | podwire-stt-ctl set pw-stt peers ${prefixes === "any" ? "any" : "-"}`,
      );
    const arrives = async () => (await deliver((send) => send(one(small())))).delivered.length === 1;
    for (const [prefixes, isIn] of [
      ["", false],
      ["192.0.2.3\\n198.51.100.0/24\\n2001:db8::/32\\n", false],
      ["192.0.2.3\\n192.0.2.1\\n192.0.2.9\\n", true],
      ["192.0.2.0/31\\n10.0.0.0/8\\n192.0.0.0/16\\n", true],
      ["192.0.2.2/31\\n", false],
      ["0.0.0.0/0\\n", true],
      ["any", true],
    ] as const) {
      await set(prefixes);
      expect(await arrives(), prefixes).toBe(isIn);
    }
    expect(await counters(lab.node2)).toMatchObject({ rx_policy_drop: 3 });
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

  test("what is for another host is not taken", async () => {
    const path = { ...pathBetween(lab.node1, lab.node2, 4), target: "203.0.113.7" };
    const packet = packetOf(path, one(small())[0] as Segment, { packetId: 5 });
    await lab.node2.sh("sysctl -q net.ipv4.ip_forward=1");
    const forwarded = await capture(lab.node2, "eth0", "src 192.0.2.1 and dst 203.0.113.7", async () => {
      const changes = await counted(lab.node2, () => send(lab.node1, [packet]));
      expect(changes).not.toHaveProperty("rx_segments");
    });
    await lab.node2.sh("sysctl -q net.ipv4.ip_forward=0");
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
    const changes = await counted(lab.node2, () =>
      send(lab.node1, packets, { count: isFull ? 1_000_000 : 150_000, seed: 1 }),
    );
    console.log(`kernel ${kernel}: random changes: ${JSON.stringify(changes)}`);
    for (const seen of ["rx_bad_segment", "rx_bad_checksum", "rx_bad_version", "rx_bad_offload", "rx_frames"])
      expect(changes, seen).toHaveProperty(seen);
    await ping(endOf(lab.node1), endOf(lab.node2));
  }, 900_000);

  test("a flood of frames without an end holds little memory, and lets good ones pass", async () => {
    const path = pathBetween(lab.node1, lab.node2, 4);
    const flood = Array.from({ length: 4000 }, (_, packetId) =>
      packetOf(
        path,
        { total: 60_000, offset: 0, data: content(1400) },
        { packetId, sourcePort: 1000 + packetId },
      ),
    );
    const available = async () =>
      Number(await lab.node2.sh("awk '/^MemAvailable/ { print $2 }' /proc/meminfo"));
    const before = await available();
    let lowest = before;
    const changes = await counted(lab.node2, async () => {
      const sending = send(lab.node1, flood, { count: isFull ? 1_000_000 : 60_000 });
      await lab.node2.sh("ethtool -K eth0 tso off gso off");
      await transfer(endOf(lab.node2), endOf(lab.node1), 1);
      for (let sample = 0; sample < 5; sample++) lowest = Math.min(lowest, await available());
      await transfer(endOf(lab.node1), endOf(lab.node2), 1);
      await sending;
      await lab.node2.sh("ethtool -K eth0 tso on gso on; sleep 2");
    });
    console.log(`kernel ${kernel}: flood: ${before - lowest} kB less, ${JSON.stringify(changes)}`);
    expect(changes["reassembly_evicted"]).toBeGreaterThan(1000);
    expect(before - lowest).toBeLessThan(64 * 1024);
  }, 900_000);
});

/** What `ip -s link` says was lost. */
async function received(node: LabNode): Promise<{ errors: number; dropped: number }> {
  const [link] = JSON.parse(await node.sh("ip -json -s link show pw-stt"));
  const { errors, dropped } = link.stats64.rx;
  return { errors, dropped };
}
