// The STT module between two nodes of each kernel: what a link needs, who reaches whom, and what goes over the wire.
import ipaddr from "ipaddr.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { dissectSegment, joinSegments, sttFlags, type WholeFrame } from "../../stt-tunnel/wire.ts";
import { headersIn, headersOf, lacksWireshark, readByWireshark } from "../../stt-tunnel/wireshark.ts";
import { testedKernels } from "../fixture/kernels.ts";
import { cannotRunFullLab, sharedLab } from "../fixture/shared-lab.ts";
import { ping, transfer, withServer } from "../fixture/traffic.ts";
import type { LabNode } from "../machine/node.ts";
import {
  changesOf,
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
    });

    test("offers exactly the offloads that the header can express", async () => {
      const features = (await lab.node1.sh("ethtool -k pw-stt")).matchAll(/^\s*([\w-]+): on/gm);
      const isOn = [...features].map(([, name = ""]) => name);
      expect(isOn.filter((name) => !noOffloads.has(name)).sort()).toEqual([...offloads].sort());
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

    test("keeps its port from NAT, so that connections of its own range all come about", async () => {
      const { node1, node2 } = lab;
      // A pod's network behind node1, and 16 ports for 8 connections to each of six others.
      await node1.sh(`
        ip link show pw-stt > /dev/null 2>&1 || ip link add pw-stt type stt; ip link set pw-stt up
        ip netns add behind; ip link add to-behind type veth peer name eth0 netns behind
        ip address add 10.99.0.1/24 dev to-behind; ip -6 address add fd99::1/64 dev to-behind nodad
        ip -n behind address add 10.99.0.2/24 dev eth0; ip -n behind -6 address add fd99::2/64 dev eth0 nodad
        ip link set to-behind up; ip -n behind link set eth0 up
        ip -n behind route add default via 10.99.0.1; ip -n behind -6 route add default via fd99::1
        sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
        nft 'table inet behind { chain out { type nat hook postrouting priority srcnat;
          iifname "to-behind" meta l4proto tcp masquerade to :7471-7486 fully-random; }; }'`);
      const ports = "9001 9002 9003 9004 9005 9006";
      let refused = 0;
      await node2.sh(`for port in ${ports}; do
          setsid socat TCP6-LISTEN:$port,ipv6only=0,fork,reuseaddr SYSTEM:'echo hello' > /dev/null 2>&1 < /dev/null &
        done; sleep 1; pgrep -d ' ' socat > /run/servers`);
      try {
        for (const target of [node2.address, `[${node2.address6}]`]) {
          const before = await counters(node1);
          const said = await node1.sh(
            `for port in ${ports}; do for one in $(seq 8); do
              ip netns exec behind timeout 120 socat -u TCP:${target}:$port - || echo failed; done; done`,
            { timeoutSeconds: 600 },
          );
          expect(said.trim().split("\n")).toEqual(Array(48).fill("hello"));
          const changes = changesOf(before, await counters(node1));
          refused += changes["nat_port_refused"] ?? 0;
          expect(changes).not.toHaveProperty("rx_bad_segment");
        }
        expect(refused).toBeGreaterThan(0);
      } finally {
        await node2.sh("kill $(< /run/servers) || true");
        await node1.sh("nft delete table inet behind; ip netns delete behind");
      }
    }, 1_200_000);

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
        // How large depends on how fast the guest is: TCP sends what goes in a millisecond.
        expect(Math.max(...large.map(({ ethernet }) => ethernet.length))).toBeGreaterThan(4_000);
        // Nothing but the card cuts it up.
        expect(large.filter(({ segments }) => segments.length !== 1)).toEqual([]);
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

    test("what the header cannot express is done before: TCP behind an extension header of IPv6", async () => {
      const [one, other] = [endOf(lab.node1), endOf(lab.node2)];
      const bytes = 200_000;
      const listen = "socat -u TCP6-LISTEN:5301,reuseaddr CREATE:/tmp/extended";
      const frames = await withServer(other, listen, 5301, () =>
        framesOnWire(lab.node1, underlay, () => one.sh(behindOptions(other.address6, 5301, bytes))),
      );
      const extended = frames.filter(
        ({ ethernet }) => ethernet.readUInt16BE(12) === 0x86dd && ethernet[20] === destinationOptions,
      );
      expect(extended.length).toBeGreaterThan(bytes / 1500);
      expect(new Set(extended.map(({ flags, mss }) => `${flags} ${mss}`))).toEqual(new Set(["0 0"]));
      expect(await other.sh(`tr -d x < /tmp/extended | wc -c; stat -c %s /tmp/extended`)).toBe(`0\n${bytes}`);
    });

    test.each([
      ["no congestion mark", 0xb8, 0],
      ["ECT(1)", 0xb9, 1],
      ["ECT(0)", 0x02, 2],
      // RFC 3168: outside a packet has yet to meet congestion.
      ["CE", 0x03, 2],
    ])("of a packet with %s only that is outside too", async (_, inner, outer) => {
      const frames = await framesOnWire(lab.node1, underlay, () =>
        lab.node1.sh(`ping -c 1 -Q ${inner} ${endOf(lab.node2).address}`),
      );
      const classes = frames.map(({ ethernet, segments }) => [
        ethernet[15],
        segments[0]?.outer.trafficClass,
        segments[0]?.outer.hopLimit,
      ]);
      expect(classes).toContainEqual([inner, outer, 64]);
    });

    test("a route may say the traffic class and hop limit outside", async () => {
      const to = underlay === 4 ? lab.node2.address : lab.node2.address6;
      const says = underlay === 4 ? "tos 0x28 ttl 7" : "tc 0x28 hoplimit 7";
      const encapsulation = `encap ${underlay === 4 ? "ip" : "ip6"} id 7 dst ${to} ${says} dev pw-stt`;
      const frames = await framesOnWire(lab.node1, underlay, () =>
        lab.node1.sh(`ip route add 10.10.0.0/16 ${encapsulation}
          ping -c 1 -W 1 -Q 0x02 10.10.0.1 || true; ip route delete 10.10.0.0/16`),
      );
      const outer = frames.flatMap(({ segments }) => segments.map((segment) => segment.outer));
      expect(outer.map(({ trafficClass, hopLimit }) => [trafficClass, hopLimit])).toContainEqual([0x2a, 7]);
    });

    test("a route of the underlay that changes is followed, whatever was remembered of it", async () => {
      const { node1, node2 } = lab;
      const [own, second, to] =
        underlay === 4
          ? [node1.address, "192.0.2.101", `${node2.address}/32`]
          : [node1.address6, "2001:db8::101", `${node2.address6}/128`];
      const sources = async () => {
        const isSent = underlay === 4 ? "tcp dst port 7471" : "ip6[6] == 6 and ip6[42:2] == 7471";
        const sent = await capture(node1, "eth0", `dst host ${to.split("/")[0]} and ${isSent}`, () =>
          node1.sh(`ping -c 1 -W 1 ${endOf(node2).address} || true`),
        );
        return sent.map((each) => ipaddr.fromByteArray([...dissectSegment(each).outer.source]).toString());
      };
      await node1.sh(`ip address add ${second}/${underlay === 4 ? 24 : "64 nodad"} dev eth0`);
      try {
        await node1.sh(`ip route add ${to} dev eth0 src ${own}`);
        expect(await sources()).toEqual([own]);
        await node1.sh(`ip route replace ${to} dev eth0 src ${second}`);
        expect(await sources()).toEqual([second]);
        await node1.sh(`ip route delete ${to}; ip route add unreachable ${to}`);
        const changes = await counted(node1, async () => expect(await sources()).toEqual([]));
        expect(changes).toMatchObject({ tx_no_route: 1 });
        await node1.sh(`ip route delete unreachable ${to}`);
        expect(await sources()).toHaveLength(1);
      } finally {
        await node1.sh(`ip route delete ${to} 2> /dev/null || true
          ip address delete ${second}/${underlay === 4 ? 24 : 64} dev eth0`);
      }
    });
  });
});

const destinationOptions = 60;

/** Sends so many x by TCP, with a header of destination options that says nothing. */
const behindOptions = (address: string, port: number, bytes: number) =>
  `perl -MSocket=:all -e 'socket S, PF_INET6, SOCK_STREAM, 0 or die; setsockopt S, 41, 59, pack "C8", 0, 0, 1, 4 or die;
    connect S, pack_sockaddr_in6(${port}, inet_pton(AF_INET6, "${address}")) or die; print S "x" x ${bytes}; close S or die'`;

/** By ethtool's names, with those of its groups. */
const offloads = [
  ...["scatter-gather", "tx-scatter-gather", "highdma", "tx-gso-robust"],
  ...["rx-checksumming", "tx-checksumming", "tx-checksum-ipv4", "tx-checksum-ipv6"],
  ...["tcp-segmentation-offload", "tx-tcp-segmentation", "tx-tcp6-segmentation", "tx-tcp-ecn-segmentation"],
  // A tag goes in the header.
  ...["tx-vlan-offload", "rx-vlan-offload"],
  // The kernel's own, which every device has.
  ...["generic-segmentation-offload", "generic-receive-offload"],
];

/** How a link is locked and where it may go is among the features up to Linux 6.1. */
const noOffloads = new Set(["tx-lockless", "netns-local"]);

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
