// What may happen to a tunnel while pods talk: traffic of many kinds, and what takes the ground away from under it.
import { ping, transfer, withServer } from "../fixture/traffic.ts";
import type { Lab } from "../lab.ts";
import type { LabNode } from "../machine/node.ts";
import { closeTunnel, endOf, openTunnel } from "./tunnel.ts";

type End = ReturnType<typeof endOf>;

/** Datagrams that the sender left to be segmented: perl, for no usual program asks for it. */
const segmented = (address: string) =>
  `perl -MSocket -e 'socket S, PF_INET, SOCK_DGRAM, 0; setsockopt S, 17, 103, pack "i", 1200 or die;
    for (1 .. 50) { send S, "x" x 30000, 0, sockaddr_in(4000, inet_aton("${address}")); select undef, undef, undef, 0.02 }'`;

/** By name; each runs over and over. */
const traffic: Readonly<Record<string, (to: End) => string>> = {
  "ICMP, small": ({ address }) => `ping -q -f -s 1000 ${address}`,
  "ICMP over IPv6, in fragments": ({ address6 }) => `ping -q -i 0.02 -s 30000 ${address6}`,
  "UDP, large": ({ address }) => `head -c 60000 /dev/zero | socat -u -b 30000 - UDP4-SENDTO:${address}:4000`,
  "UDP over IPv6, small": ({ address6 }) =>
    `head -c 60000 /dev/zero | socat -u -b 1000 - UDP6-SENDTO:[${address6}]:4000`,
  "UDP, segmented": ({ address }) => segmented(address),
  TCP: ({ address }) => `iperf3 -c ${address} -p 5201 -t 15 -P 2`,
  "TCP over IPv6": ({ address6 }) => `iperf3 -c ${address6} -p 5202 -t 15`,
};

/** All kinds of traffic both ways, whatever becomes of it, while `act` runs. */
export async function underTraffic(lab: Lab, act: () => Promise<unknown>): Promise<void> {
  const ends = [endOf(lab.node1), endOf(lab.node2)] as const;
  const start = async (from: LabNode, to: End): Promise<string[]> => {
    const pids: string[] = [];
    for (const command of Object.values(traffic)) {
      const pid = await from.sh(
        "setsid bash -c 'while :; do timeout 20 bash -c \"$COMMAND\"; sleep 0.1; done' > /dev/null 2>&1 < /dev/null & echo $!",
        { env: { COMMAND: command(to) } },
      );
      pids.push(pid.trim());
    }
    return pids;
  };
  const serve = (ports: readonly (readonly [End, number])[], use: () => Promise<void>): Promise<void> => {
    const [[end, port] = [], ...rest] = ports;
    if (end === undefined || port === undefined) return use();
    return withServer(end, `iperf3 -s -p ${port}`, port, () => serve(rest, use));
  };
  const ports = ends.flatMap((end) => [5201, 5202].map((port) => [end, port] as const));
  await serve(ports, async () => {
    const started = [
      [lab.node1, await start(lab.node1, ends[1])],
      [lab.node2, await start(lab.node2, ends[0])],
    ] as const;
    try {
      await act();
    } finally {
      for (const [node, pids] of started)
        for (const pid of pids) await node.sh(`kill -- -${pid} 2> /dev/null || true`);
    }
  });
}

/** Throws unless all passes again. */
export async function recovers({ node1, node2 }: Lab): Promise<void> {
  const [one, other] = [endOf(node1), endOf(node2)];
  await ping(one, other, { family: 6 });
  await transfer(one, other, 5);
  await transfer(other, one, 5);
}

/** Each leaves a tunnel that works. */
export const disturbances: Readonly<Record<string, (lab: Lab) => Promise<unknown>>> = {
  "the link goes and comes": reopen,

  "the link goes down and up": async (lab) => {
    const { node1, node2 } = lab;
    await node2.sh(`ip link set pw-stt down; ip link set pw-stt up
      ip route replace ${endOf(node1).address}/32 encap ip id 100 dst ${node1.address} dev pw-stt; sleep 0.3`);
    // The kernel took all of IPv6 away.
    await reopen(lab);
  },

  "the module is unloaded and loaded": async (lab) => {
    for (const node of lab.nodes) await node.sh("rmmod podwire_stt; insmod /usr/local/bin/podwire_stt.ko");
    await openTunnel(lab);
  },

  "the MTU of tunnel and interface changes": async (lab) => {
    for (const [link, mtu] of [
      ["pw-stt", 65_443],
      ["pw-stt", 576],
      ["eth0", 1280],
      ["pw-stt", 9000],
      ["eth0", 576],
      ["eth0", 1500],
      ["pw-stt", 1408],
    ])
      await lab.node1.sh(`ip link set ${link} mtu ${mtu}; sleep 0.1`);
    // Below 1280 bytes a link has no IPv6.
    await lab.node1.sh(`ip -6 address replace ${lab.node1.address6}/64 dev eth0 nodad`);
    await reopen(lab);
  },

  "the output changes between what netfilter sees, and the peers do": ({ node1 }) =>
    node1.sh(`for output in full none notrack; do
        podwire-stt-ctl set pw-stt output $output
        seq -f 198.51.100.%.0f 254 | podwire-stt-ctl set pw-stt peers -
        podwire-stt-ctl set pw-stt peers any
      done`),

  "a namespace with a tunnel of its own ends": ({ node2 }) =>
    node2.sh(`
      ip netns add short; ip -n short link set lo up
      ip -n short link add pw-stt type stt; ip -n short link set pw-stt up
      ip -n short address add 10.8.0.1/32 dev lo
      ip -n short route add 10.8.0.2 encap ip id 1 dst 10.8.0.1 dev pw-stt src 10.8.0.1
      ip netns exec short ping -q -f -w 1 10.8.0.2 > /dev/null || true
      said=$(ip netns exec short ethtool -S pw-stt)
      ip netns delete short
      [[ $said == *"rx_frames: "[1-9]* ]] || { echo "nothing came back to its sender: $said"; exit 1; }`),
};

async function reopen(lab: Lab): Promise<void> {
  await closeTunnel(lab);
  await openTunnel(lab);
}
