// podwire_bypass beside others that steer packets: whatever they do, they do the same with the module off and on.
import { describe, expect, test } from "vitest";
import { both, bypassPods, namespaceOf, podLines, sameOffAndOn } from "../fixture/bypass-pods.ts";
import { ipvlanNetwork } from "../fixture/ipvlan.ts";
import { testedKernels } from "../fixture/kernels.ts";
import { pod } from "../fixture/pod.ts";
import { cannotRunFullLab } from "../fixture/shared-lab.ts";
import { answerAs, ask } from "../fixture/talk.ts";

describe.skipIf(cannotRunFullLab("podwire_bypass")).each(testedKernels)(
  "podwire_bypass on kernel %s, beside",
  (kernel) => {
    const on = bypassPods(kernel);

    test.each([
      {
        what: "that tells conntrack",
        conntrack: 1,
        rules: "ct state invalid counter",
        reason: "conntrack-entry",
        // Of which conntrack forgets more than IPVS.
        udp: "ipvs",
      },
      { what: "that would tell conntrack, which nobody wants", conntrack: 1, rules: "", reason: "ipvs" },
      { what: "that tells nobody", conntrack: 0, rules: "ct state invalid counter", reason: "ipvs" },
    ])("IPVS $what, whose answers are translated", async ({ conntrack, rules, reason, udp = reason }) => {
      const { node1 } = on.lab;
      await node1.sh(`modprobe -a ip_vs ip_vs_rr; ip address add 10.96.1.1/32 dev lo
        nft "add table inet user; add chain inet user input { type filter hook input priority 0; }
        ${rules === "" ? "" : `add rule inet user input ${rules}`}"
        echo ${conntrack} > /proc/sys/net/ipv4/vs/conntrack
        for kind in -t -u; do ipvsadm -A $kind 10.96.1.1:80 -s rr; ipvsadm -a $kind 10.96.1.1:80 -r ${on.away.address}:8080 -m; done`);
      try {
        const { seen, counts } = await sameOffAndOn(on, on.one, both("10.96.1.1", 80));
        expect(seen).toEqual([`away sees ${on.one.address}`, `away sees ${on.one.address} and 1`]);
        expect(counts[`prerouting ${reason}`]).toBeGreaterThan(0);
        expect(counts[`prerouting ${udp}`]).toBeGreaterThan(0);
      } finally {
        await node1.sh(
          "nft delete table inet user; ipvsadm -C; ip address delete 10.96.1.1/32 dev lo; rmmod ip_vs_rr ip_vs",
        );
      }
    });

    test("IPVS that knows a flow of UDP for longer than conntrack", async () => {
      const { node1 } = on.lab;
      const timeout = "/proc/sys/net/netfilter/nf_conntrack_udp_timeout";
      await node1.sh(`modprobe -a ip_vs ip_vs_rr; ip address add 10.96.1.1/32 dev lo
        nft "add table inet user; add chain inet user input { type filter hook input priority 0; }
        add rule inet user input ct state invalid counter"
        echo 1 > /proc/sys/net/ipv4/vs/conntrack; echo 1 > ${timeout}
        ipvsadm -A -u 10.96.1.1:81 -s rr; ipvsadm -a -u 10.96.1.1:81 -r ${on.away.address}:8081 -m`);
      try {
        const lateServer = `use IO::Socket::IP; my $socket = IO::Socket::IP->new(LocalPort => 8081, Type => SOCK_DGRAM);
          while (my $from = recv($socket, my $text, 100, 0)) { sleep 4; send($socket, "late", 0, $from) }`;
        await on.away.sh(`setsid perl -e '${lateServer}' > /tmp/late.log 2>&1 < /dev/null &
          for attempt in $(seq 100); do [ -n "$(ss -Hlun sport = :8081)" ] && exit; sleep 0.1; done; cat /tmp/late.log; exit 1`);
        const client = `use IO::Socket::IP; alarm 15;
          my $socket = IO::Socket::IP->new(PeerHost => "10.96.1.1", PeerPort => 81, Type => SOCK_DGRAM);
          send($socket, "x", 0); recv($socket, my $text, 100, 0); print $text`;
        for (const mode of ["off", "bypass"]) {
          await on.setAll(`mode ${mode}`, ...podLines);
          expect(await on.one.sh(`perl -e '${client}'`), mode).toBe("late");
        }
      } finally {
        await node1.sh(`echo 30 > ${timeout}; nft delete table inet user; ipvsadm -C
          ip address delete 10.96.1.1/32 dev lo; rmmod ip_vs_rr ip_vs`);
      }
    });

    test("a sidecar's REDIRECT in a pod's own namespace", async () => {
      await on.one.sh("iptables -t nat -A OUTPUT -p tcp --dport 9999 -j REDIRECT --to-ports 8080");
      const { seen } = await sameOffAndOn(on, on.one, [
        { protocol: "tcp", to: on.away.address, port: 9999 },
        ...both(on.away.address),
      ]);
      expect(seen).toEqual([
        `one sees ${on.one.address}`,
        `away sees ${on.one.address}`,
        `away sees ${on.one.address} and 1`,
      ]);
      await on.one.sh("iptables -t nat -F OUTPUT");
    });

    test("a sidecar's TPROXY in a pod's own namespace", async () => {
      await on.beside.sh(`iptables -t mangle -A PREROUTING -p tcp --dport 9998 -j TPROXY --on-port 8080 --tproxy-mark 1
        ip rule add fwmark 1 lookup 100; ip route add local 0.0.0.0/0 dev lo table 100`);
      const { seen } = await sameOffAndOn(on, on.one, both(on.beside.address, 9998).slice(0, 1));
      expect(seen).toEqual([`beside sees ${on.one.address}`]);
      await on.beside.sh(`iptables -t mangle -F PREROUTING
        ip rule delete fwmark 1; ip route delete local 0.0.0.0/0 dev lo table 100`);
    });

    test("a policy for a pod that is excluded", async () => {
      await on.lab.node1.sh(
        `iptables -I FORWARD -d ${on.beside.address} -s ${on.one.address} -p tcp -j REJECT`,
      );
      const { seen, counts } = await sameOffAndOn(
        on,
        on.one,
        [...both(on.beside.address), ...both(on.away.address)],
        `exclude ${on.beside.address}/32`,
      );
      expect(seen.slice(0, 2)).toEqual(["no connection", `beside sees ${on.one.address} and 1`]);
      expect(counts["prerouting excluded"]).toBeGreaterThan(0);
      expect(counts["prerouting pod"]).toBeGreaterThan(0);
      await on.lab.node1.sh("iptables -F FORWARD");
    });

    test("zones of conntrack, of a pod that is excluded", async () => {
      const { node1 } = on.lab;
      const zone = (verb: "A" | "D") =>
        node1.sh(`for end in -s -d; do
          iptables -t raw -${verb} PREROUTING $end ${on.one.address} -j CT --zone 5
        done`);
      await zone("A");
      try {
        const questions = [...both(on.beside.address), ...both(on.away.address)];
        const { seen, counts } = await sameOffAndOn(on, on.one, questions, `exclude ${on.one.address}/32`);
        expect(seen.filter((answer) => answer.includes(`sees ${on.one.address}`))).toHaveLength(4);
        expect(counts["prerouting excluded"]).toBeGreaterThan(0);
        const inZone = await node1.sh("conntrack -L --zone 5 2> /dev/null | wc -l");
        expect(Number(inZone)).toBeGreaterThan(0);
      } finally {
        await zone("D");
      }
    });

    test("a flowtable of nft, which takes over what is not bypassed", async () => {
      const { node1 } = on.lab;
      await node1.sh(`links=$(ls /proc/sys/net/ipv4/conf | grep '^pw' | paste -sd ,)
        nft "table ip fast { flowtable f { hook ingress priority 0; devices = { eth0, $links }; }
          chain forward { type filter hook forward priority 0; ct state established flow add @f; }; }"`);
      try {
        const questions = [...both(on.away.address), ...both(on.beside.address)];
        const offloaded = async () =>
          Number(await node1.sh("conntrack -L -p udp 2> /dev/null | grep -c '\\[OFFLOAD\\]' || true"));
        await on.setAll("mode off");
        await node1.sh("conntrack -F 2> /dev/null || true");
        await ask(on.one, questions);
        expect(await offloaded()).toBeGreaterThan(0);
        const { seen, counts } = await sameOffAndOn(on, on.one, questions);
        expect(seen.filter((answer) => answer.includes("sees"))).toHaveLength(4);
        expect(counts["prerouting pod"]).toBeGreaterThan(3);
        // What conntrack does not know the flowtable does not either.
        await node1.sh("conntrack -F 2> /dev/null || true");
        await on.setAll("mode bypass", ...podLines);
        await ask(on.one, questions);
        expect(await offloaded()).toBe(0);
      } finally {
        await node1.sh("nft delete table ip fast");
      }
    });

    test("a bridge whose packets br_netfilter shows to all hooks", async () => {
      const { node1 } = on.lab;
      await node1.sh(`modprobe br_netfilter; echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables
        ip link add name bridge1 type bridge; ip link set bridge1 up
        for end in 1 2; do
          ip netns add bridged$end; ip link add name port$end type veth peer name eth0 netns bridged$end
          ip link set port$end master bridge1 up; ip -n bridged$end link set lo up; ip -n bridged$end link set eth0 up
          ip -n bridged$end address add 10.244.200.$end/24 dev eth0
        done`);
      const end = (number: number) => namespaceOf(node1, `bridged${number}`, `10.244.200.${number}`);
      await answerAs("bridged", end(2));
      const { seen, counts } = await sameOffAndOn(on, end(1), both("10.244.200.2"));
      expect(seen).toEqual(["bridged sees 10.244.200.1", "bridged sees 10.244.200.1 and 1"]);
      expect(counts["prerouting bridge"]).toBeGreaterThan(0);
      await node1.sh(
        "ip link delete bridge1; ip netns pids bridged2 | xargs kill; ip netns delete bridged1; ip netns delete bridged2; rmmod br_netfilter",
      );
    });

    test("ipvlan in mode l3s, which receives by a hook of its own", async () => {
      const { node1, node2 } = on.lab;
      const network = (number: number) => ({
        ipam: {
          type: "host-local",
          ranges: [[{ subnet: `10.244.${100 + number}.0/24` }]],
          routes: [{ dst: "0.0.0.0/0" }],
        },
        ipMasq: false,
      });
      const slave = await pod(node1, { ...ipvlanNetwork(node1, "l3s", network(1)), name: "ipvlans" });
      const far = await pod(node2, { ...ipvlanNetwork(node2, "l3s", network(2)), name: "ipvlans" });
      await node1.sh(`ip route add 10.244.102.0/24 via ${node2.address}`);
      await node2.sh(`ip route add 10.244.101.0/24 via ${node1.address}`);
      await answerAs("far", far);
      const { seen, counts } = await sameOffAndOn(on, slave, both(far.address));
      expect(seen).toEqual([`far sees ${slave.address}`, `far sees ${slave.address} and 1`]);
      expect(counts["prerouting vrf-or-l3s"]).toBeGreaterThan(0);
      await Promise.all([slave.remove(), far.remove()]);
    });
  },
);
