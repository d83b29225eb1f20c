// What podwire_bypass lets by in one direction it lets by in the other, and what it leaves alone, it leaves alone in both: else an
// answer would be invalid to conntrack, and dropped where rules drop what is invalid, as kube-proxy's do.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { countedDuring, setBypass } from "../fixture/bypass.ts";
import { both, bypassPods, namespaceOf, podLines, sameOffAndOn } from "../fixture/bypass-pods.ts";
import { testedKernels } from "../fixture/kernels.ts";
import { cannotRunFullLab } from "../fixture/shared-lab.ts";
import { answerAs, ask } from "../fixture/talk.ts";
import type { Endpoint } from "../machine/node.ts";

describe.skipIf(cannotRunFullLab("podwire_bypass")).each(testedKernels)(
  "podwire_bypass on kernel %s, where what is invalid is dropped,",
  (kernel) => {
    const on = bypassPods(kernel, 1);
    /** A pod of another node, which is the end of a wire. */
    let far: Endpoint;

    /** A namespace on node1 behind a link that the node has as `port`. */
    const behind = (name: string, port: string) => `
      ip netns add ${name}; ip link add name ${port} type veth peer name eth0 netns ${name}
      ip -n ${name} link set lo up; ip -n ${name} link set eth0 up; ip link set ${port} up`;
    const end = (name: string) => `ip netns pids ${name} | xargs -r kill; ip netns delete ${name}`;
    const seenBy = (server: string, client: Endpoint) => [
      `${server} sees ${client.address}`,
      `${server} sees ${client.address} and 1`,
    ];

    beforeAll(async () => {
      const { node1 } = on.lab;
      await node1.sh(`
        for program in iptables ip6tables; do for chain in FORWARD OUTPUT; do
          $program -A $chain -m conntrack --ctstate INVALID -j DROP; done; done
        ${behind("far", "wire0")}
        ip address add 192.0.3.1/24 dev wire0; ip -n far address add 192.0.3.2/24 dev eth0
        ip -n far address add 10.244.2.2/32 dev lo; ip -n far route add default via 192.0.3.1 src 10.244.2.2
        ip route add 10.244.2.0/24 via 192.0.3.2`);
      far = namespaceOf(node1, "far", "10.244.2.2");
      await answerAs("far", far);
    }, 300_000);
    afterAll(() => on.lab.node1.sh(end("far")));

    describe("beside a pod on ipvlan l3s, by whose master other nodes' packets come,", () => {
      let slave: Endpoint;
      beforeAll(async () => {
        const { node1 } = on.lab;
        // As podwire does, with a slave for the node itself.
        await node1.sh(`ip netns add slave
          ip link add slave0 link wire0 type ipvlan mode l3s; ip link set slave0 netns slave name eth0
          ip -n slave link set lo up; ip -n slave link set eth0 up
          ip -n slave address add 10.244.101.1/32 dev eth0; ip -n slave route add default dev eth0
          ip link add host0 link wire0 type ipvlan mode l3s; ip link set host0 up
          ip route add 10.244.101.1 dev host0`);
        slave = namespaceOf(node1, "slave", "10.244.101.1");
        await answerAs("slave", slave);
      }, 300_000);
      afterAll(() => on.lab.node1.sh(`${end("slave")}; ip link delete host0`));

      test("bypasses other pods, whoever begins", async () => {
        const there = await sameOffAndOn(on, on.one, both(far.address));
        expect(there.seen).toEqual(seenBy("far", on.one));
        // Both of its directions.
        expect(there.counts["prerouting pod"]).toBeGreaterThan(6);
        expect(there.counts["prerouting vrf-or-l3s"]).toBe(undefined);
        const here = await sameOffAndOn(on, far, both(on.one.address));
        expect(here.seen).toEqual(seenBy("one", far));
        expect(here.counts["prerouting pod"]).toBeGreaterThan(6);
      });

      test("leaves that pod alone, whoever begins", async () => {
        const to = await sameOffAndOn(on, far, both(slave.address));
        expect(to.seen).toEqual(seenBy("slave", far));
        expect(to.counts["prerouting vrf-or-l3s"]).toBeGreaterThan(0);
        const from = await sameOffAndOn(on, slave, both(far.address));
        expect(from.seen).toEqual(seenBy("far", slave));
        expect(from.counts["prerouting vrf-or-l3s"]).toBeGreaterThan(0);
        expect(from.counts["prerouting pod"]).toBe(undefined);
      });

      test("leaves that pod alone also where the host knows no better than to send its packets elsewhere", async () => {
        const { node1 } = on.lab;
        await node1.sh("ip route delete 10.244.101.1 dev host0");
        try {
          const to = await sameOffAndOn(on, far, both(slave.address));
          expect(to.seen).toEqual(seenBy("slave", far));
          expect(to.counts["prerouting vrf-or-l3s"]).toBeGreaterThan(0);
          expect(to.counts["prerouting pod"]).toBe(undefined);
        } finally {
          await node1.sh("ip route add 10.244.101.1 dev host0");
        }
      });

      test("bypasses tunnels by the master, which are for the node itself", async () => {
        const { node1 } = on.lab;
        const vxlan = (own: number, peer: number) =>
          `type vxlan id 7 dstport 8472 local 192.0.3.${own} remote 192.0.3.${peer}`;
        await node1.sh(`ip link add vx0 ${vxlan(1, 2)} dev wire0; ip -n far link add vx0 ${vxlan(2, 1)} dev eth0
          ip link set vx0 up; ip -n far link set vx0 up
          ip address add 10.244.3.1/24 dev vx0; ip -n far address add 10.244.3.2/24 dev vx0
          ip -n far route add ${on.one.address} via 10.244.3.1`);
        try {
          const ends = ["node 192.0.3.1/32", "peer 192.0.3.2/32", "tunnel udp 8472"];
          await setBypass(node1, "mode bypass", ...podLines, ...ends);
          const counts = await countedDuring(node1, async () => {
            expect(await ask(on.one, both("10.244.3.2"))).toEqual(seenBy("far", on.one));
          });
          expect(counts["prerouting tunnel"]).toBeGreaterThan(3);
          expect(counts["input tunnel"]).toBe(counts["prerouting tunnel"]);
          expect(counts["output tunnel"]).toBeGreaterThan(3);
        } finally {
          await node1.sh("ip link delete vx0; ip -n far link delete vx0");
        }
      });
    });

    test("lets the node tell a pod that a bypassed packet was too large", async () => {
      const { node1 } = on.lab;
      const route = "10.244.2.0/24 via 192.0.3.2";
      await node1.sh(`ip route replace ${route} mtu 1200`);
      try {
        for (const mode of ["off", "untrack", "bypass"]) {
          // What the pod learnt it would know.
          await on.one.sh("ip route flush cache");
          await setBypass(node1, `mode ${mode}`, ...podLines);
          const counts = await countedDuring(node1, async () => {
            const answers = await ask(on.one, both(far.address, 8080, 1400));
            expect(answers, mode).toEqual([`far sees ${on.one.address}`, "Message too long"]);
          });
          if (mode !== "off") expect(counts["output icmp-error"], mode).toBeGreaterThan(0);
        }
      } finally {
        await node1.sh(`ip route replace ${route}`);
        await on.one.sh("ip route flush cache");
      }
    });

    test("leaves pods alone that are routed from a bridge which has br_netfilter for itself", async () => {
      const { node1 } = on.lab;
      await node1.sh(`modprobe br_netfilter
        for name in iptables ip6tables arptables; do echo 0 > /proc/sys/net/bridge/bridge-nf-call-$name; done
        ip link add name bridge1 type bridge nf_call_iptables 1; ip link set bridge1 up
        ip address add 10.244.201.254/24 dev bridge1
        ${behind("bridged", "port1")}
        ip -n bridged address add 10.244.201.1/24 dev eth0; ip -n bridged route add default via 10.244.201.254
        ip link set port1 master bridge1`);
      const bridged = namespaceOf(node1, "bridged", "10.244.201.1");
      await answerAs("bridged", bridged);
      try {
        expect((await node1.attempt("podwire", ["bypass", "check"])).stdout).toContain(
          "br_netfilter filters what bridge bridge1 forwards",
        );
        const to = await sameOffAndOn(on, far, both(bridged.address));
        expect(to.seen).toEqual(seenBy("bridged", far));
        expect(to.counts["prerouting bridge"]).toBeGreaterThan(0);
        expect(to.counts["prerouting pod"]).toBe(undefined);
        const from = await sameOffAndOn(on, bridged, both(far.address));
        expect(from.seen).toEqual(seenBy("far", bridged));
      } finally {
        await node1.sh(`${end("bridged")}; ip link delete bridge1; rmmod br_netfilter`);
      }
    });

    test("leaves pods alone that reach into a VRF by a route", async () => {
      const { node1 } = on.lab;
      await node1.sh(`ip link add vrf1 type vrf table 77; ip link set vrf1 up
        ${behind("inside", "port1")}
        ip -n inside address add 10.244.211.1/24 dev eth0; ip -n inside route add default via 10.244.211.254
        ip link set port1 master vrf1; ip address add 10.244.211.254/24 dev port1
        ip route add 10.244.211.0/24 dev port1
        ip route add $(ip route show ${on.one.address}) table 77`);
      const inside = namespaceOf(node1, "inside", "10.244.211.1");
      await answerAs("inside", inside);
      try {
        const to = await sameOffAndOn(on, on.one, both(inside.address));
        expect(to.seen).toEqual(seenBy("inside", on.one));
        expect(to.counts["prerouting vrf-or-l3s"]).toBeGreaterThan(0);
        expect(to.counts["prerouting pod"]).toBe(undefined);
        const from = await sameOffAndOn(on, inside, both(on.one.address));
        expect(from.seen).toEqual(seenBy("one", inside));
      } finally {
        await node1.sh(`${end("inside")}; ip link delete vrf1`);
      }
    });

    test("leaves alone what is for the node by a route of its own, without an address", async () => {
      const { node1 } = on.lab;
      await node1.sh(`ip -6 route add local fd00:10:244:77::/64 dev lo
        ip route add local 10.244.77.0/24 dev lo`);
      await answerAs("anyone", node1, 8089);
      try {
        const questions = ["fd00:10:244:77::5", "10.244.77.5"].flatMap((to) => both(to, 8089).slice(0, 1));
        const { seen, counts } = await sameOffAndOn(on, on.one, questions);
        expect(seen).toEqual([`anyone sees ${on.one.address6}`, `anyone sees ${on.one.address}`]);
        expect(counts["prerouting local"]).toBeGreaterThan(1);
        expect(counts["prerouting pod"]).toBe(undefined);
      } finally {
        await node1.sh(
          "ip -6 route delete local fd00:10:244:77::/64 dev lo; ip route delete local 10.244.77.0/24 dev lo",
        );
      }
    });
  },
);
