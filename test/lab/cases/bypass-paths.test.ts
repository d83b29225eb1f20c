// podwire_bypass where packets take other ways than plain forwarding, IPsec and VRFs, and where their way changes.
import { describe, expect, test } from "vitest";
import { countedDuring } from "../fixture/bypass.ts";
import {
  type BypassPods,
  both,
  bypassPods,
  namespaceOf,
  podLines,
  sameOffAndOn,
} from "../fixture/bypass-pods.ts";
import { testedKernels } from "../fixture/kernels.ts";
import { cannotRunFullLab } from "../fixture/shared-lab.ts";
import { answerAs, ask } from "../fixture/talk.ts";
import type { Endpoint, LabNode } from "../machine/node.ts";

describe.skipIf(cannotRunFullLab("podwire_bypass")).each(testedKernels)(
  "podwire_bypass on kernel %s, by way of",
  (kernel) => {
    const on = bypassPods(kernel);

    test("IPsec between the nodes, which rules about ESP still see", async () => {
      const { node1, node2 } = on.lab;
      const key = (digit: string) => `0x${digit.repeat(40)}`;
      const secure = (own: LabNode, peer: LabNode) => {
        const state = (from: LabNode, to: LabNode) =>
          `ip xfrm state add src ${from.address} dst ${to.address} proto esp spi 0x${from.number}00 reqid 1 mode tunnel aead 'rfc4106(gcm(aes))' ${key(`${from.number}`)} 128`;
        const policy = (from: LabNode, to: LabNode, direction: string) =>
          `ip xfrm policy add src 10.244.${from.number}.0/24 dst 10.244.${to.number}.0/24 dir ${direction} tmpl src ${from.address} dst ${to.address} proto esp reqid 1 mode tunnel`;
        return [
          state(own, peer),
          state(peer, own),
          policy(own, peer, "out"),
          policy(peer, own, "in"),
          policy(peer, own, "fwd"),
          "iptables -t mangle -A POSTROUTING -p esp",
        ].join("\n");
      };
      const countedEsp = async () =>
        Number(/^ *([0-9]+)/m.exec(await node1.sh("iptables -t mangle -vxnL POSTROUTING | tail -1"))?.[1]);
      await node1.sh(secure(node1, node2));
      await node2.sh(secure(node2, node1));
      try {
        const { seen, counts } = await sameOffAndOn(on, on.one, both(on.away.address));
        expect(seen).toEqual([`away sees ${on.one.address}`, `away sees ${on.one.address} and 1`]);
        expect(counts["forward pod"]).toBeGreaterThan(3);
        const before = await countedEsp();
        await ask(on.one, both(on.away.address));
        expect(await countedEsp()).toBeGreaterThan(before + 3);
      } finally {
        for (const node of [node1, node2])
          await node.sh("ip xfrm policy flush; ip xfrm state flush; iptables -t mangle -F POSTROUTING");
      }
    });

    test("a VRF, whose packets have hooks of their own", async () => {
      const { node1 } = on.lab;
      await node1.sh(`ip link add vrf1 type vrf table 77; ip link set vrf1 up
        for end in 1 2; do
          ip netns add inside$end; ip link add name port$end type veth peer name eth0 netns inside$end
          ip link set port$end master vrf1 up; ip address add 10.244.21$end.1/24 dev port$end
          ip -n inside$end link set lo up; ip -n inside$end link set eth0 up
          ip -n inside$end address add 10.244.21$end.2/24 dev eth0; ip -n inside$end route add default via 10.244.21$end.1
        done`);
      const [client, server] = [1, 2].map((end) => namespaceOf(node1, `inside${end}`, `10.244.21${end}.2`));
      if (client === undefined || server === undefined) throw new Error("unreachable");
      await answerAs("inside", server);
      const { seen, counts } = await sameOffAndOn(on, client, both(server.address));
      expect(seen).toEqual([`inside sees ${client.address}`, `inside sees ${client.address} and 1`]);
      expect(counts["prerouting vrf-or-l3s"]).toBeGreaterThan(3);
      await node1.sh(`ip netns pids inside2 | xargs kill; ip link delete vrf1
        for end in 1 2; do ip netns delete inside$end; done`);
    });

    test.each([4, 6] as const)(
      "a route of IPv%i that puts them into other packets, which are no pods'",
      async (family) => {
        const { node1, node2 } = on.lab;
        const segment = "fd00:51d::2";
        const [one, away] = [on.one, on.away].map((pod) => addressOf(pod, family)) as [string, string];
        const way = `ip -${family} route`;
        const last = `action End.DX${family} nh${family} ${away}`;
        for (const node of [node1, node2])
          await node.sh("for link in all eth0; do echo 1 > /proc/sys/net/ipv6/conf/$link/seg6_enabled; done");
        await node2.sh(`ip -6 route add ${segment}/128 encap seg6local ${last} dev eth0`);
        await node1.sh(`ip -6 route add ${segment}/128 via ${node2.address6}
        ${way} add ${away} encap seg6 mode encap segs ${segment} dev eth0`);
        try {
          const { seen, counts } = await sameOffAndOn(on, on.one, both(away));
          expect(seen).toEqual([`away sees ${one}`, `away sees ${one} and 1`]);
          expect(counts["prerouting wrapped"]).toBeGreaterThan(3);
          const back = await sameOffAndOn(on, on.away, both(one));
          expect(back.seen).toEqual([`one sees ${away}`, `one sees ${away} and 1`]);
          expect(back.counts["prerouting wrapped"]).toBeGreaterThan(3);
          expect(back.counts["prerouting pod"]).toBe(undefined);
        } finally {
          await node1.sh(`${way} delete ${away} dev eth0; ip -6 route delete ${segment}/128`);
          await node2.sh(`ip -6 route delete ${segment}/128`);
        }
      },
    );

    test.each([4, 6] as const)(
      "a route of IPv%i that changes under a flow, which its next packet takes",
      async (family) => {
        const { node1 } = on.lab;
        const [from, to] = [on.one, on.away].map((pod) => addressOf(pod, family)) as [string, string];
        const ip = `ip -${family}`;
        await on.setAll("mode bypass", ...podLines);
        const counts = await countedDuring(node1, () =>
          duringFlow(on, to, async ({ answersAfter }) => {
            await node1.sh(`${ip} rule add tos 0x10 table 99; ${ip} route add blackhole default table 99`);
            for (let round = 0; round < 5; round++) {
              expect(await answersAfter("true", "true")).toBeGreaterThan(2);
              expect(
                await answersAfter(`${ip} route add blackhole ${to}`, `${ip} route delete blackhole ${to}`),
              ).toBe(0);
              expect(await answersAfter("touch /tmp/classed", "rm /tmp/classed")).toBe(0);
              expect(
                await answersAfter(`${ip} rule add from ${from} table 99`, `${ip} rule delete from ${from}`),
              ).toBe(0);
            }
            await node1.sh(`${ip} rule delete tos 0x10 table 99; ${ip} route flush table 99`);
          }),
        );
        expect(counts["forward pod"]).toBeGreaterThan(50);
      },
    );

    test.each([4, 6] as const)("another link of IPv%i, to which a flow moves", async (family) => {
      const { node1, node2 } = on.lab;
      const [one, away] = [on.one, on.away].map((pod) => addressOf(pod, family)) as [string, string];
      const ip = `ip -${family}`;
      const gateway = (node: LabNode) =>
        family === 4 ? `192.168.5.${node.number}` : `fd00:5::${node.number}`;
      for (const node of on.lab.nodes)
        await node.sh(`ip link add link eth0 name other type vlan id 5; ip link set other up
          ${ip} address add ${gateway(node)}/${family === 4 ? 24 : 64} dev other ${family === 4 ? "" : "nodad"}`);
      await node1.sh(`${ip} route add blackhole default table 99`);
      await on.setAll("mode bypass", ...podLines);
      try {
        await duringFlow(on, away, async ({ answers, answersAfter }) => {
          for (let round = 0; round < 3; round++) {
            await node2.sh(`${ip} route add ${one} via ${gateway(node1)}`);
            expect(await answersAfter("true", "true")).toBeGreaterThan(2);
            await node2.sh(`${ip} route delete ${one}`);
            await node1.sh(`${ip} rule add iif other table 99`);
            expect(await answersAfter("true", "true")).toBeGreaterThan(2);
            await node2.sh(`${ip} route add ${one} via ${gateway(node1)}`);
            expect(await answers()).toBe(0);
            await node2.sh(`${ip} route delete ${one}`);
            await node1.sh(`${ip} rule delete iif other table 99`);
          }
        });
      } finally {
        await node1.sh(`${ip} route flush table 99`);
        for (const node of on.lab.nodes) await node.sh("ip link delete other");
      }
    });
  },
);

const addressOf = ({ address, address6 = "" }: Endpoint, family: 4 | 6) =>
  family === 4 ? address : address6;

/** A script for the first node each. */
interface Flow {
  /** Of half a second, as for longer nothing is remembered. */
  answers(): Promise<number>;
  /** The same, once some came before. */
  answersAfter(change: string, back: string): Promise<number>;
}

/** From the pod `one`; it has ended when `use` has. */
async function duringFlow(
  { lab: { node1 }, one }: BypassPods,
  to: string,
  use: (flow: Flow) => Promise<unknown>,
): Promise<void> {
  const pid = (
    await one.sh(`cat > /tmp/flow.pl <<'END'\n${flowProgram}\nEND
      rm -f /tmp/answers /tmp/classed; setsid perl /tmp/flow.pl ${to} > /tmp/flow.log 2>&1 < /dev/null & echo $!`)
  ).trim();
  const counting = "answers() { cat /tmp/answers || echo 0; }";
  const counted = "sleep 0.1; first=$(answers); sleep 0.5; last=$(answers)";
  const count = async (...lines: string[]) =>
    Number(await node1.sh([counting, ...lines, "echo $((last - first))"].join("\n")));
  const some = "before=$(answers); while (( $(answers) < before + 5 )); do sleep 0.05; done";
  try {
    await use({
      answers: () => count(counted),
      answersAfter: (change, back) => count(some, change, counted, back),
    });
  } finally {
    await node1.sh(`kill ${pid}; cat /tmp/flow.log`);
  }
}

/** One flow of datagrams, and how many were answered. While /tmp/classed is there they are of another class. */
const flowProgram = String.raw`
use strict; use Socket qw(:all); use IO::Socket::IP;
my $socket = IO::Socket::IP->new(PeerHost => $ARGV[0], PeerPort => 8080, Type => SOCK_DGRAM) or die "$!";
open(my $file, '>', '/tmp/answers') or die; $file->autoflush;
for (my ($answers, $bits) = (0, '');; ) {
  my $class = -e '/tmp/classed' ? 0x10 : 0;
  $ARGV[0] =~ /:/ ? setsockopt($socket, IPPROTO_IPV6, 67, $class) : setsockopt($socket, IPPROTO_IP, IP_TOS, $class);
  syswrite($socket, 'x');
  vec($bits, fileno($socket), 1) = 1;
  if (select(my $ready = $bits, undef, undef, 0.03)) { $answers++ if sysread($socket, my $text, 1000); }
  seek($file, 0, 0); print $file "$answers\n";
  select undef, undef, undef, 0.01;
}`;
