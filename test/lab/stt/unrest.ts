// What may happen to a tunnel while pods talk: traffic of many kinds, and what takes the ground away from under it.
import { randomNumbers } from "../../ipam/random.ts";
import { ping, transfer, withServer } from "../fixture/traffic.ts";
import type { Lab } from "../lab.ts";
import type { LabNode } from "../machine/node.ts";
import { closeTunnel, encapsulationTo, endOf, type Family, openTunnel } from "./tunnel.ts";

/** What a tunnel stands on. */
export interface Ground {
  readonly underlay: Family;
  /** Of the nodes' interfaces. */
  readonly mtu: number;
}

export const usualGround: Ground = { underlay: 4, mtu: 1500 };

export const grounds: readonly Ground[] = [
  usualGround,
  { underlay: 6, mtu: 1500 },
  // Jumbo frames, without and within.
  { underlay: 4, mtu: 9000 },
];

/** One segment over IPv6 is a frame of this size. */
function innerMtu({ mtu }: Ground): number {
  return mtu - 92;
}

export async function openOn(lab: Lab, ground: Ground): Promise<void> {
  for (const node of lab.nodes) await node.sh(`ip link set eth0 mtu ${ground.mtu}`);
  await openTunnel(lab, { underlay: ground.underlay, mtu: innerMtu(ground) });
}

type End = ReturnType<typeof endOf>;

/** Datagrams that the sender left to be segmented: perl, for no usual program asks for it. */
const segmented = (address: string) =>
  `perl -MSocket -e 'socket S, PF_INET, SOCK_DGRAM, 0; setsockopt S, 17, 103, pack "i", 1200 or die;
    for (1 .. 50) { send S, "x" x 30000, 0, sockaddr_in(4000, inet_aton("${address}")); select undef, undef, undef, 0.02 }'`;

interface Traffic {
  /** Runs over and over. */
  readonly send: (to: End) => string;
  /** How nftables knows it where it arrives. */
  readonly arrives: string;
}

/** As fast as it can it would leave an emulated processor no time for what disturbs it; so would programs that start all the time. */
const traffic: Readonly<Record<string, Traffic>> = {
  "ICMP, small": {
    send: ({ address }) => `ping -q -i 0.02 -s 1000 ${address}`,
    arrives: "icmp type echo-request",
  },
  "ICMP over IPv6, in fragments": {
    send: ({ address6 }) => `ping -q -i 0.1 -s 30000 ${address6}`,
    arrives: "exthdr frag exists",
  },
  "UDP, large": {
    send: ({ address }) => `head -c 600000 /dev/zero | socat -u -b 30000 - UDP4-SENDTO:${address}:4000`,
    arrives: "udp dport 4000 udp length 30008",
  },
  "UDP over IPv6, small": {
    send: ({ address6 }) => `head -c 100000 /dev/zero | socat -u -b 1000 - UDP6-SENDTO:[${address6}]:4000`,
    arrives: "udp dport 4000 udp length 1008",
  },
  "UDP, segmented": {
    send: ({ address }) => segmented(address),
    arrives: "udp dport 4000 udp length 1208",
  },
  TCP: { send: ({ address }) => `iperf3 -c ${address} -p 5201 -t 15 -P 2 -b 5M`, arrives: "tcp dport 5201" },
  "TCP over IPv6": {
    send: ({ address6 }) => `iperf3 -c ${address6} -p 5202 -t 15 -b 5M`,
    arrives: "tcp dport 5202",
  },
};

const kinds = Object.keys(traffic);

/** One counter for each kind. The rules know the link by its name, so they outlive it. */
const countingRules = `table inet arrived {
  ${kinds.map((_, index) => `counter kind${index} {}`).join("\n")}
  chain input {
    type filter hook input priority 0
    ${Object.values(traffic)
      .map(({ arrives }, index) => `iifname pw-stt ${arrives} counter name kind${index}`)
      .join("\n")}
  }
}`;

/** Packets of each kind that arrived on the node. */
async function arrivals(node: LabNode): Promise<number[]> {
  const listed = await node.sh("nft list counters table inet arrived");
  return kinds.map((_, index) =>
    Number(new RegExp(`kind${index} \\{\\s*packets ([0-9]+)`).exec(listed)?.[1]),
  );
}

const patienceSeconds = 180;

/** Throws unless all kinds of traffic arrive at both ends, from now on and by themselves. */
async function everythingArrives({ node1, node2 }: Lab): Promise<void> {
  for (const node of [node1, node2]) {
    const before = await arrivals(node);
    let missing = kinds;
    for (let second = 0; missing.length > 0; second++) {
      if (second === patienceSeconds)
        throw new Error(`nothing arrives on ${node.name} of ${missing.join(", ")}`);
      await node.sh("sleep 1");
      const now = await arrivals(node);
      missing = kinds.filter((_, index) => !((now[index] ?? 0) > (before[index] ?? 0)));
    }
  }
}

/** All kinds of traffic both ways, whatever becomes of it, while `act` runs; all of it arrives before and after. */
export async function underTraffic(lab: Lab, act: () => Promise<unknown>): Promise<void> {
  const ends = [endOf(lab.node1), endOf(lab.node2)] as const;
  const start = async (from: LabNode, to: End): Promise<string[]> => {
    const pids = [await keepTimestamps(from)];
    for (const { send } of Object.values(traffic)) {
      const pid = await from.sh(
        "setsid bash -c 'while :; do timeout 20 bash -c \"$COMMAND\"; sleep 1; done' > /dev/null 2>&1 < /dev/null & echo $!",
        { env: { COMMAND: send(to) } },
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
    for (const node of lab.nodes) await node.sh("nft -f -", { input: countingRules });
    const started = [
      [lab.node1, await start(lab.node1, ends[1])],
      [lab.node2, await start(lab.node2, ends[0])],
    ] as const;
    try {
      await everythingArrives(lab);
      await act();
      await everythingArrives(lab);
    } finally {
      for (const [node, pids] of started) {
        for (const pid of pids) await node.sh(`kill -- -${pid} 2> /dev/null || true`);
        await node.sh("nft delete table inet arrived");
      }
    }
  });
}

/**
 * Packets have a time as long as any socket wants one, and the kernel rewrites its code where the first one comes and the last
 * one goes. With each ping of the traffic that is too much for an emulated machine: a processor may go on with the old code for
 * good, in an endless int3.
 */
async function keepTimestamps(node: LabNode): Promise<string> {
  return (await node.sh("setsid ping -q -i 60 127.0.0.1 > /dev/null 2>&1 < /dev/null & echo $!")).trim();
}

/** Throws unless all passes again. */
export async function recovers({ node1, node2 }: Lab): Promise<void> {
  const [one, other] = [endOf(node1), endOf(node2)];
  await ping(one, other, { family: 6 });
  await transfer(one, other, 5);
  await transfer(other, one, 5);
}

type Disturb = (lab: Lab, ground: Ground) => Promise<unknown>;

/** Each leaves a tunnel that works. */
export const disturbances: Readonly<Record<string, Disturb>> = {
  "the link goes and comes": reopen,

  "the link goes down and up": async (lab, ground) => {
    const { node1, node2 } = lab;
    const encapsulation = encapsulationTo(node1, ground.underlay);
    await node2.sh(`ip link set pw-stt down; ip link set pw-stt up
      ip route replace ${endOf(node1).address}/32 ${encapsulation} dev pw-stt; sleep 0.3`);
    // The kernel took all of IPv6 away.
    await reopen(lab, ground);
  },

  "the module is unloaded and loaded": async (lab, ground) => {
    for (const node of lab.nodes) await node.sh("rmmod podwire_stt; insmod /usr/local/bin/podwire_stt.ko");
    await openOn(lab, ground);
  },

  "the MTU of tunnel and interface changes": async (lab, ground) => {
    for (const [link, mtu] of [
      ["pw-stt", 65_443],
      ["pw-stt", 576],
      ["eth0", 1280],
      ["pw-stt", 9000],
      ["eth0", 576],
      ["eth0", ground.mtu],
      ["pw-stt", innerMtu(ground)],
    ])
      await lab.node1.sh(`ip link set ${link} mtu ${mtu}; sleep 0.1`);
    // Below 1280 bytes a link has no IPv6.
    await lab.node1.sh(`ip -6 address replace ${lab.node1.address6}/64 dev eth0 nodad`);
    await reopen(lab, ground);
  },

  "the output changes between what netfilter sees, and the peers do": ({ node1 }) =>
    node1.sh(`for output in full none notrack; do
        podwire-stt-ctl set pw-stt output $output
        seq -f 198.51.100.%.0f 254 | podwire-stt-ctl set pw-stt peers -
        podwire-stt-ctl set pw-stt peers any
      done`),

  "a namespace with a tunnel of its own ends while it is used": ({ node2 }) =>
    node2.sh(`
      ip netns add short; ip -n short link set lo up
      ip -n short link add pw-stt type stt; ip -n short link set pw-stt up
      ip -n short address add 10.8.0.1/32 dev lo
      ip -n short route add 10.8.0.2 encap ip id 1 dst 10.8.0.1 dev pw-stt src 10.8.0.1
      ip netns exec short ping -q -f 10.8.0.2 > /dev/null & flood=$!
      sleep 1; said=$(ip netns exec short ethtool -S pw-stt)
      ip netns delete short; kill $flood
      [[ $said == *"rx_frames: "[1-9]* ]] || { echo "nothing came back to its sender: $said"; exit 1; }`),
};

async function reopen(lab: Lab, ground: Ground): Promise<void> {
  await closeTunnel(lab);
  await openOn(lab, ground);
}

/** All disturbances in an order that the seed chooses, then in another one, and so on: each happens as often as any. */
export function* manyDisturbances(seed: number): Generator<readonly [string, Disturb]> {
  const draw = randomNumbers(seed);
  for (;;) {
    const left = Object.entries(disturbances);
    while (left.length > 0) yield* left.splice(draw(left.length), 1);
  }
}
