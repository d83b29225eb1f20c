// Two nodes with a router between their subnets, and a path that is narrower than their links: tunnels get through, directRouting
// tunnels only where it must, and `doctor --probe` tells what is wrong with the way. The router is a node with pods of its own.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { testedKernels } from "../fixture/kernels.ts";
import { install, type LabPeer, peersOf, withdraw } from "../fixture/overlay.ts";
import { conflistFor, type Pod, pod } from "../fixture/pod.ts";
import { cannotRunFullLab, sharedLab } from "../fixture/shared-lab.ts";
import { ping, transfer } from "../fixture/traffic.ts";
import type { LabNode } from "../machine/node.ts";
import { loadModule } from "../stt/tunnel.ts";

/** The second subnet is a VLAN on the same wire, so that its MTU can be another one. */
const farLink = "eth0.20";
const far = { address: "198.51.100.2", address6: "2001:db8:20::2" };

interface Case {
  readonly type: "vxlan" | "geneve" | "stt";
  readonly family: 4 | 6;
  readonly overhead: number;
  /** What the probe says of a path of 1500 bytes, and of one that takes 1400. */
  readonly fine: RegExp;
  readonly narrow: RegExp;
}

const words = {
  fine: /^fine: packets of 1500 bytes are answered/,
  narrow: /^MTU too small: of the 1500 bytes of eth0 only about 1400 arrive$/,
};

const cases: readonly Case[] = [
  { type: "geneve", family: 4, overhead: 50, ...words },
  { type: "vxlan", family: 4, overhead: 50, ...words },
  { type: "vxlan", family: 6, overhead: 70, ...words },
  { type: "geneve", family: 6, overhead: 70, ...words },
  {
    type: "stt",
    family: 4,
    overhead: 72,
    fine: /^fine: pods' packets of 1428 bytes are answered on TCP port 7471, and the path takes 1500 bytes whole$/,
    // The segments are cut up by the router, and arrive.
    narrow: /^MTU too small: of the 1500 bytes of eth0 only about 1400 arrive whole$/,
  },
];

describe.skipIf(cannotRunFullLab("routed overlays")).each(testedKernels)(
  "a router between nodes of kernel %s",
  (kernel) => {
    const lab = sharedLab({ nodes: 3, kernel });
    beforeAll(async () => {
      await loadModule(lab);
      const { node1, node2 } = lab;
      const router = lab.nodes[2] as LabNode;
      const vlan = "ip link add link eth0 name eth0.20 type vlan id 20; ip link set eth0.20 up";
      await router.sh(`${vlan}
      ip address add 198.51.100.3/24 dev eth0.20; ip address add 2001:db8:20::3/64 dev eth0.20 nodad
      echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding`);
      await node2.sh(`${vlan}
      ip address flush dev eth0
      ip address add ${far.address}/24 dev eth0.20; ip address add ${far.address6}/64 dev eth0.20 nodad
      ip route replace default via 198.51.100.3; ip route replace default via 2001:db8:20::3`);
      await node1.sh(
        "ip route add 198.51.100.0/24 via 192.0.2.3; ip route add 2001:db8:20::/64 via 2001:db8::3",
      );
    }, 900_000);

    describe.each(cases)("by $type over IPv$family", (asked) => {
      const { type, family, overhead, fine, narrow } = asked;
      let pods: readonly [Pod, Pod, Pod];
      const peers = (): LabPeer[] =>
        peersOf(lab.nodes, family).map((peer) =>
          peer.node === lab.node2.name
            ? { ...peer, address: family === 4 ? far.address : far.address6 }
            : peer,
        );
      const network = (node: LabNode, more: object = {}) =>
        conflistFor(node, {
          overlay: {
            type,
            underlay: node === lab.node2 ? farLink : "eth0",
            directRouting: true,
            peers: peers().map(({ address6: _, ...peer }) => peer),
          },
          timeout: 300,
          ...more,
        });
      beforeAll(async () => {
        for (const node of lab.nodes) await install(node, network(node));
        const [one, other, third] = await Promise.all(lab.nodes.map((node) => pod(node, network(node))));
        pods = [one as Pod, other as Pod, third as Pod];
      }, 300_000);
      afterAll(async () => {
        for (const each of pods) await each.remove();
        expect(await Promise.all(lab.nodes.map(withdraw))).toEqual(lab.nodes.map(() => ""));
      });

      test("directRouting tunnels behind the router and not on the link, and all pods reach each other", async () => {
        const way = (to: Pod) => lab.node1.sh(`ip -o route get ${family === 4 ? to.address : to.address6}`);
        expect(await way(pods[1])).toMatch(new RegExp(`dev pw-${type}`));
        // What Linux 5.10 says of a way has no tunnel in it.
        const routes = await lab.node1.sh(`ip -${family} -o route show proto 120 dev pw-${type}`);
        expect(routes).toMatch(/encap ip6? /);
        expect(await way(pods[2])).toMatch(/via [0-9a-f:.]+ dev eth0/);
        for (const from of pods) {
          for (const to of pods.filter((pod) => pod !== from)) {
            await ping(from, to, { count: 1 });
            await ping(from, to, { count: 1, family: 6 });
          }
        }
        await transfer(pods[0], pods[1], 20);
        await transfer(pods[1], pods[0], 20, 6);
      });

      test("a packet that is too large for the tunnel is answered with its MTU", async () => {
        const [one, other] = pods;
        // As a pod that was wired before the underlay's MTU shrank.
        const setMtu = async (mtu: number) => {
          await one.sh(`ip link set eth0 mtu ${mtu}`);
          await lab.node1.sh(`ip link set ${one.result.interfaces[0]?.name} mtu ${mtu}`);
        };
        await setMtu(1500);
        for (const [to, size] of [
          [other.address, 1472],
          [other.address6, 1452],
        ]) {
          const said = await one.sh(`ping -n -c 2 -W 2 -M do -s ${size} ${to} 2>&1 || true`);
          expect(said).toMatch(new RegExp(`mtu ?= ?${1500 - overhead}`));
        }
        await setMtu(1500 - overhead);
      });

      test("the probe says fine, and transfers arrive whole though the path is narrower than the links", async () => {
        const [one, other] = pods;
        const probe = async () => {
          const { stdout } = await lab.node1.attempt("podwire", [
            "doctor",
            "--json",
            "--probe",
            other.address.replace(/[0-9]+$/, "0/24"),
          ]);
          const found = (JSON.parse(stdout) as { check: string; found: string }[]).filter(({ check }) =>
            check.startsWith("probe"),
          );
          return found.map(({ found }) => found).join();
        };
        expect(await probe()).toMatch(fine);
        await lab.nodes[2]?.sh(`ip link set ${farLink} mtu 1400`);
        expect(await probe()).toMatch(narrow);
        if (family === 4) {
          await transfer(one, other, 10);
          await transfer(other, one, 10);
        } else await transferWithin(1400 - overhead);
        await transfer(one, other, 10, 6);
        await transfer(other, one, 10, 6);
        await lab.nodes[2]?.sh(`ip link set ${farLink} mtu 1500`);
        await forgetPaths();
        await lab.nodes[2]?.sh(`nft "add table inet between; add chain inet between forward { type filter hook forward priority 0; }
        add rule inet between forward udp dport { 4789, 6081 } drop; add rule inet between forward tcp dport 7471 drop"`);
        expect(await probe()).toMatch(/^blocked: the peer answers, but not on (UDP|TCP) port/);
        await lab.nodes[2]?.sh("nft delete table inet between");
        expect(await probe()).toMatch(/^fine/);
      });

      /** A tunnel's packets of IPv6 nobody cuts, and Linux tells pods' IPv4 nothing of it: their MTU has to be set. */
      const transferWithin = async (mtu: number) => {
        const fitting = (node: LabNode) => pod(node, network(node, { mtu }));
        const [one, other] = [await fitting(lab.node1), await fitting(lab.node2)];
        await transfer(one, other, 10);
        await transfer(other, one, 10);
        for (const each of [one, other]) await each.remove();
      };

      /** What hosts have learnt of a path lasts ten minutes. */
      const forgetPaths = () =>
        Promise.all(lab.nodes.map((node) => node.sh("ip route flush cache; ip -6 route flush cache")));
    });
  },
);
