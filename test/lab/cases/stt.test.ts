// The STT module between two nodes of each kernel: what a link needs, who reaches whom, and what goes over the wire.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { dissectSegment, joinSegments, sttFlags, type WholeFrame } from "../../stt-tunnel/wire.ts";
import { headersIn, headersOf, lacksWireshark, readByWireshark } from "../../stt-tunnel/wireshark.ts";
import { testedKernels } from "../fixture/kernels.ts";
import { cannotRunFullLab, sharedLab } from "../fixture/shared-lab.ts";
import { ping, transfer } from "../fixture/traffic.ts";
import type { LabNode } from "../machine/node.ts";
import {
  closeTunnel,
  counted,
  counters,
  endOf,
  type Family,
  loadModule,
  openTunnel,
  setOffloads,
} from "../stt/tunnel.ts";
import { capture } from "../stt/wire.ts";

const { partial, ipv4, tcp } = sttFlags;
const families = [4, 6] as const;
const hasWireshark = !lacksWireshark();

describe.skipIf(cannotRunFullLab("STT")).each(testedKernels)("STT on kernel %s", (kernel) => {
  const lab = sharedLab({ kernel });
  beforeAll(() => loadModule(lab), 600_000);

  describe("a link", () => {
    afterAll(() => lab.node1.sh("ip link delete pw-stt 2> /dev/null || true"));

    test("needs no arguments, and says what it is", async () => {
      await lab.node1.sh("ip link add pw-stt type stt && ip link set pw-stt up");
      expect(JSON.parse(await lab.node1.sh("podwire-stt-ctl show pw-stt"))).toEqual({
        port: 7471,
        output: "notrack",
        peers: "any",
      });
      const [link] = JSON.parse(await lab.node1.sh("ip -json link show pw-stt"));
      expect(link).toMatchObject({ mtu: 1408, address: "ee:70:77:73:74:74" });
      const features = await lab.node1.sh("ethtool -k pw-stt");
      expect(features).toMatch(/^tcp-segmentation-offload: on$/m);
      expect(features).toMatch(/^tx-udp-segmentation: off/m);
    });

    test("keeps its port from programs, and gives it back", async () => {
      const listen = "timeout 1 nc -l 7471 2>&1 || true";
      expect(await lab.node1.sh(listen)).toContain("in use");
      await lab.node1.sh("ip link set pw-stt down");
      expect(await lab.node1.sh(listen)).not.toContain("in use");
      await lab.node1.sh("ip link set pw-stt up");
    });

    test.each([
      ["ip link add other type stt", "another link of kind stt has this port"],
      ["podwire-stt-ctl add other port 0", "expected a number from 1 to 65535"],
      ["podwire-stt-ctl set pw-stt port 7472", "the port is fixed"],
      ["echo 10.0.0.1/8 | podwire-stt-ctl set pw-stt peers -", "a peer is no prefix"],
      ["podwire-stt-ctl set lo output none", "not supported"],
      ["ip link set pw-stt netns else", ""],
      ["ip link set pw-stt mtu 65444", ""],
      ["ip link set pw-stt address 01:00:00:00:00:01", ""],
    ])("refuses `%s`", async (command, words) => {
      const { exitCode, stderr } = await lab.node1.attempt("bash", [
        "-c",
        `ip netns add else 2> /dev/null; ${command}`,
      ]);
      expect(exitCode).not.toBe(0);
      expect(stderr).toContain(words);
    });

    test("can be made many times over, with another port beside it", async () => {
      await lab.node1.sh(`
        podwire-stt-ctl add other port 7472; ip link set other up; ip link delete other
        for round in $(seq 20); do
          ip link delete pw-stt; ip link add pw-stt type stt; ip link set pw-stt up
        done`);
    });
  });

  describe.each(families)("over IPv%i", (underlay) => {
    beforeAll(() => openTunnel(lab, { underlay }));
    afterAll(() => closeTunnel(lab));

    test("both ends reach each other", async () => {
      for (const family of families) {
        await ping(endOf(lab.node1), endOf(lab.node2), { family });
        await ping(endOf(lab.node2), endOf(lab.node1), { family });
      }
    });

    test.each(families)("large transfers of IPv%i arrive whole in both directions", async (family) => {
      await transfer(endOf(lab.node1), endOf(lab.node2), 20, family);
      await transfer(endOf(lab.node2), endOf(lab.node1), 20, family);
    });

    test("frames arrive as large as they were sent", async () => {
      const changes = await counted(lab.node2, () => transfer(endOf(lab.node1), endOf(lab.node2), 20));
      expect(Number(changes["rx_bytes"]) / Number(changes["rx_frames"])).toBeGreaterThan(4_000);
    });

    test("segments are counted as they are on the wire, at both ends", async () => {
      const headers = underlay === 4 ? 40 : 60;
      // The tunnel's header, the frame's and those of ICMP; a byte more and there would be three.
      const size = 2 * (1500 - headers) - 18 - 14 - 28;
      for (const node of lab.nodes) await node.sh("ip link set pw-stt mtu 9000");
      const changes = await counted(lab.node1, () =>
        ping(endOf(lab.node1), endOf(lab.node2), { size, count: 3 }),
      );
      for (const node of lab.nodes) await node.sh("ip link set pw-stt mtu 1408");
      expect(changes).toMatchObject({ tx_frames: 3, tx_segments: 6, rx_frames: 3, rx_segments: 6 });
    });

    test("without any offload of the interfaces all arrives, put together from segments", async () => {
      await setOffloads(lab, "off");
      const changes = await counted(lab.node2, async () => {
        await transfer(endOf(lab.node1), endOf(lab.node2), 8, 4);
        await transfer(endOf(lab.node1), endOf(lab.node2), 8, 6);
      });
      await setOffloads(lab, "on");
      expect(changes["reassembly_completed"]).toBeGreaterThan(100);
      expect(changes).not.toHaveProperty("rx_bad_checksum");
      expect(changes).not.toHaveProperty("reassembly_conflict");
    });

    test("what is on the wire is what the format says, for every kind of packet", async () => {
      const [one, other] = [endOf(lab.node1), endOf(lab.node2)];
      const wire = (act: () => Promise<unknown>) => framesOnWire(lab.node1, underlay, act);
      for (const family of families) {
        const isIpv4 = family === 4 ? ipv4 : 0;
        const large = (await wire(() => transfer(one, other, 2, family))).filter(({ mss }) => mss > 0);
        expect(large.length).toBeGreaterThan(10);
        expect(new Set(large.map(({ flags }) => flags))).toEqual(new Set([partial | isIpv4 | tcp]));
        expect(new Set(large.map(({ contextId }) => contextId))).toEqual(new Set([100n]));
        expect(Math.max(...large.map(({ ethernet }) => ethernet.length))).toBeGreaterThan(8_000);
        const target = family === 4 ? other.address : `[${other.address6}]`;
        const datagram = await wire(() => one.sh(`echo hi | socat - UDP${family}-SENDTO:${target}:4000`));
        expect(datagram.map(({ flags, mss }) => [flags, mss])).toContainEqual([partial | isIpv4, 0]);
        const echo = await wire(() => ping(one, other, { family, count: 1 }));
        expect(echo.map(({ flags, l4Offset }) => [flags, l4Offset])).toContainEqual([0, 0]);
      }
      expect(await counters(lab.node1)).toMatchObject({ tx_loop: 0, tx_bad_offload: 0, tx_too_big: 0 });
    });

    test("a VLAN's tag goes in the header", async () => {
      const add = (node: LabNode) =>
        node.sh(`ip link add link pw-stt name tagged type vlan id 5; ip link set tagged up
          ip route add 10.10.0.0/16 encap ${underlay === 4 ? "ip" : "ip6"} id 7 dst ${underlay === 4 ? lab.node2.address : lab.node2.address6} dev tagged`);
      await add(lab.node1);
      const frames = await framesOnWire(lab.node1, underlay, () =>
        lab.node1.sh("ping -c 1 -W 1 10.10.0.1 || true"),
      );
      await lab.node1.sh("ip link delete tagged");
      expect(frames.map(({ vlanTci, contextId }) => [vlanTci, contextId])).toContainEqual([0x1005, 7n]);
    });

    test("every congestion mark and traffic class of a packet is outside too", async () => {
      const classes = await framesOnWire(lab.node1, underlay, () =>
        lab.node1.sh(
          `ping -c 1 -Q 0xb9 ${endOf(lab.node2).address}; ping -c 1 -Q 0x02 ${endOf(lab.node2).address}`,
        ),
      );
      const outer = classes.flatMap(({ segments }) => segments.map((segment) => segment.outer.trafficClass));
      expect(outer).toEqual(expect.arrayContaining([0x01, 0x02]));
    });
  });
});

/** Frames that the node sends while `act` runs, each checked against the format, and by Wireshark. */
async function framesOnWire(
  node: LabNode,
  underlay: Family,
  act: () => Promise<unknown>,
): Promise<WholeFrame[]> {
  const source = underlay === 4 ? node.address : node.address6;
  const filter = `${underlay === 4 ? "ip" : "ip6"} src ${source} and tcp dst port 7471`;
  const filter6 = `ip6 src ${source} and ip6[6] == 6 and ip6[42:2] == 7471`;
  const captured = await capture(node, "eth0", underlay === 4 ? filter : filter6, act);
  const frames = joinSegments(captured.map(dissectSegment));
  if (hasWireshark && frames.length > 0)
    expect(headersIn(readByWireshark(captured))).toEqual(headersOf(frames));
  return frames;
}
