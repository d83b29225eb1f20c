// The STT module while its ground is pulled away: links, the module, namespaces and MTUs change under traffic.
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { isFull, testedKernels } from "../fixture/kernels.ts";
import { cannotRunFullLab, sharedLab } from "../fixture/shared-lab.ts";
import { ping, transfer, withServer } from "../fixture/traffic.ts";
import type { LabNode } from "../machine/node.ts";
import { closeTunnel, counters, endOf, loadModule, openTunnel } from "../stt/tunnel.ts";

const rounds = isFull ? 60 : 8;

describe.skipIf(cannotRunFullLab("STT in trouble")).each(testedKernels)("STT on kernel %s", (kernel) => {
  const lab = sharedLab({ kernel });
  beforeAll(() => loadModule(lab), 600_000);
  beforeEach(async () => {
    for (const node of lab.nodes) await node.sh("ip link delete pw-stt 2> /dev/null || true");
    await openTunnel(lab);
  });

  const ends = () => [endOf(lab.node1), endOf(lab.node2)] as const;

  /** Traffic of several kinds both ways, whatever becomes of it, while `act` runs. */
  const underTraffic = async (act: () => Promise<unknown>) => {
    const [one, other] = ends();
    const start = (from: LabNode, to: { address: string; address6: string }) =>
      from.sh(`
        for command in \
          "ping -q -f -s 1000 ${to.address}" "ping -q -i 0.02 -s 30000 ${to.address6}" \
          "head -c 60000 /dev/zero | socat -u -b 30000 - UDP4-SENDTO:${to.address}:4000" \
          "head -c 60000 /dev/zero | socat -u -b 1000 - UDP6-SENDTO:[${to.address6}]:4000" \
          "iperf3 -c ${to.address} -t 15 -P 2"
        do
          setsid bash -c "while :; do timeout 20 $command; sleep 0.1; done" > /dev/null 2>&1 < /dev/null & echo $!
        done`);
    await withServer(other, "iperf3 -s", 5201, async () => {
      const pids = [
        [lab.node1, await start(lab.node1, other)],
        [lab.node2, await start(lab.node2, one)],
      ] as const;
      try {
        await act();
      } finally {
        for (const [node, started] of pids)
          for (const pid of started.trim().split("\n")) await node.sh(`kill -- -${pid} 2> /dev/null || true`);
      }
    });
  };

  const recovers = async () => {
    const [one, other] = ends();
    await ping(one, other, { family: 6 });
    await transfer(one, other, 5);
    await transfer(other, one, 5);
  };

  test("the link goes and comes", async () => {
    await underTraffic(async () => {
      for (let round = 0; round < rounds; round++) {
        await closeTunnel(lab);
        await openTunnel(lab);
      }
    });
    await recovers();
  });

  test("the link goes down and up, without offloads of the interfaces", async () => {
    for (const node of lab.nodes) await node.sh("ethtool -K eth0 tso off gso off gro off");
    await underTraffic(async () => {
      for (let round = 0; round < rounds; round++) {
        await lab.node2.sh("sleep 0.3; ip link set pw-stt down; ip link set pw-stt up");
        await lab.node2.sh(
          `ip route replace ${endOf(lab.node1).address}/32 encap ip id 100 dst ${lab.node1.address} dev pw-stt`,
        );
      }
    });
    for (const node of lab.nodes) await node.sh("ethtool -K eth0 tso on gso on gro on");
    await closeTunnel(lab);
    await openTunnel(lab);
    await recovers();
  });

  test("the module is unloaded and loaded", async () => {
    await underTraffic(async () => {
      for (let round = 0; round < rounds; round++) {
        for (const node of lab.nodes)
          await node.sh("rmmod podwire_stt; insmod /usr/local/bin/podwire_stt.ko");
        await openTunnel(lab);
        await lab.node1.sh("sleep 0.3");
      }
    });
    await recovers();
  });

  test("the MTU of tunnel and interface changes", async () => {
    await underTraffic(async () => {
      for (let round = 0; round < rounds; round++) {
        for (const [link, mtu] of [
          ["pw-stt", 65_443],
          ["pw-stt", 576],
          ["eth0", 1280],
          ["pw-stt", 1500],
          ["eth0", 576],
          ["eth0", 1500],
          ["pw-stt", 1408],
        ])
          await lab.node1.sh(`ip link set ${link} mtu ${mtu}; sleep 0.1`);
      }
    });
    await lab.node1.sh("ip -6 address replace 2001:db8::1/64 dev eth0 nodad");
    await closeTunnel(lab);
    await openTunnel(lab);
    await recovers();
  });

  test("the output changes between what netfilter sees, and the peers do", async () => {
    await underTraffic(async () => {
      for (let round = 0; round < rounds * 4; round++) {
        for (const output of ["full", "none", "notrack"])
          await lab.node1.sh(`podwire-stt-ctl set pw-stt output ${output}
            seq -f 198.51.100.%.0f 254 | podwire-stt-ctl set pw-stt peers -
            podwire-stt-ctl set pw-stt peers any`);
      }
    });
    await recovers();
  });

  test("a namespace with a tunnel of its own ends", async () => {
    await underTraffic(async () => {
      for (let round = 0; round < rounds; round++) {
        await lab.node2.sh(`
          ip netns add short; ip -n short link set lo up
          ip -n short link add pw-stt type stt; ip -n short link set pw-stt up
          ip -n short address add 10.8.0.1/32 dev lo
          ip -n short route add 10.8.0.2 encap ip id 1 dst 10.8.0.1 dev pw-stt src 10.8.0.1
          ip netns exec short ping -q -f -w 1 10.8.0.2 > /dev/null || true
          ip netns delete short`);
      }
    });
    await recovers();
  });

  test("a route into the tunnel for its own segments ends nowhere", async () => {
    await lab.node1.sh(`
      podwire-stt-ctl add other port 7472; ip link set other up
      ip route add 10.7.0.1 encap ip id 1 dst 10.7.0.2 dev pw-stt
      ip route add 10.7.0.2 encap ip id 1 dst 10.7.0.1 dev other
      ip route add 10.7.0.3 encap ip id 1 dst 10.7.0.3 dev pw-stt
      ping -c 2 -W 1 10.7.0.1 || true; ping -c 2 -W 1 10.7.0.3 || true`);
    const { tx_loop = 0 } = await counters(lab.node1);
    await lab.node1.sh("ip link delete other");
    expect(tx_loop).toBeGreaterThan(1);
    await recovers();
  });

  test("no unfinished work keeps the module", async () => {
    await closeTunnel(lab);
    for (const node of lab.nodes) {
      await node.sh("rmmod podwire_stt");
      expect(await node.sh("ss -Hatn sport = :7471; lsmod | grep stt || true")).toBe("");
      await node.sh("insmod /usr/local/bin/podwire_stt.ko");
    }
  });
});
