// podwire_bypass between pods of two nodes: its control, and that its counters say what it did.
import { describe, expect, test } from "vitest";
import { countedDuring, getBypass, loadBypass, setBypass, unloadBypass } from "../fixture/bypass.ts";
import { both, bypassPods, podLines } from "../fixture/bypass-pods.ts";
import { testedKernels } from "../fixture/kernels.ts";
import { withService } from "../fixture/service.ts";
import { cannotRunLab } from "../fixture/shared-lab.ts";
import { ask } from "../fixture/talk.ts";
import { transfer } from "../fixture/traffic.ts";

describe.skipIf(cannotRunLab("podwire_bypass")).each(testedKernels)(
  "podwire_bypass on kernel %s",
  (kernel) => {
    const on = bypassPods(kernel);

    test("is off until it is configured, and says what it is set to", async () => {
      expect(await on.lab.node1.sh("cat /proc/net/podwire_bypass")).toContain("mode off");
      await setBypass(
        on.lab.node1,
        "mode bypass",
        ...podLines,
        "pod 10.244.1.0/24",
        "exclude 10.244.1.77/32",
        "lease 100",
        "node 192.0.2.1/32",
        "peer 192.0.2.2/31",
        "tunnel udp 8472",
      );
      const lines = (await getBypass(on.lab.node1)).trim().split("\n");
      expect(lines.filter((line) => !/^(generation|left)/.test(line))).toEqual([
        "mode bypass",
        "lease 100",
        "tunnel udp 8472",
        "pod 10.244.0.0/16",
        "pod fd00:10:244::/48",
        "exclude 10.244.1.77/32",
        "node 192.0.2.1/32",
        "peer 192.0.2.2/31",
      ]);
    });

    test("bypasses pods in both directions and by both families, and counts each packet", async () => {
      await on.setAll("mode bypass", ...podLines);
      const questions = [
        ...both(on.away.address),
        ...both(on.away.address6 ?? ""),
        ...both(on.beside.address),
      ];
      const counts = await countedDuring(on.lab.node1, async () => {
        expect((await ask(on.one, questions)).every((answer) => answer.includes("sees"))).toBe(true);
      });
      expect(counts["prerouting pod"]).toBeGreaterThan(20);
      expect(counts["forward pod"]).toBe(counts["prerouting pod"]);
      await on.setAll("mode untrack", ...podLines);
      const untracked = await countedDuring(on.lab.node1, () => ask(on.one, questions));
      expect(untracked["prerouting pod"]).toBeGreaterThan(20);
      expect(untracked["forward pod"]).toBe(undefined);
      await on.setAll("mode observe", ...podLines);
      expect(
        (await countedDuring(on.lab.node1, () => ask(on.one, questions)))["prerouting pod"],
      ).toBeGreaterThan(20);
    });

    test("leaves excluded pods alone", async () => {
      await on.setAll("mode bypass", ...podLines, `exclude ${on.one.address}/32`);
      const counts = await countedDuring(on.lab.node1, () => ask(on.one, both(on.away.address)));
      expect(counts["prerouting pod"]).toBe(undefined);
      expect(counts["prerouting excluded"]).toBeGreaterThan(3);
    });

    test("leaves a Service's answers to conntrack, which translates them", async () => {
      await on.setAll("mode bypass", ...podLines);
      const counts = await countedDuring(on.lab.node1, () =>
        withService(on.lab.node1, on.away, async () => {
          const questions = ["10.96.0.1", "fd00:96::1"].flatMap((to) => both(to, 80).slice(0, 1));
          expect(await ask(on.one, questions)).toEqual([
            `away sees ${on.one.address}`,
            `away sees ${on.one.address6}`,
          ]);
        }),
      );
      expect(counts["prerouting conntrack-entry"]).toBeGreaterThan(3);
    });

    test("transfers arrive whole, and large ones in few packets", async () => {
      await on.setAll("mode bypass", ...podLines);
      const counts = await countedDuring(on.lab.node1, async () => {
        await transfer(on.one, on.away, 20);
        await transfer(on.away, on.one, 20, 6);
      });
      expect(counts["prerouting pod"]).toBeGreaterThan(200);
    });

    test("is set, shown and switched off by podwire, which refuses where a rule would be passed by", async () => {
      const { node1 } = on.lab;
      const set = "podwire bypass set --mode bypass --pods 10.244.0.0/16,fd00:10:244::/48";
      await node1.sh(
        "nft add table ip own; nft add chain ip own forward '{ type filter hook forward priority 0; }'",
      );
      await node1.sh("nft add rule ip own forward ip daddr 10.244.0.0/16 tcp dport 99 drop");
      try {
        await expect(node1.sh(set)).rejects.toThrow("of chain ip own forward (drop)");
        expect(await getBypass(node1)).toContain("mode off");
        await node1.sh(`${set} --force`);
        expect(await getBypass(node1)).toContain("mode bypass");
      } finally {
        await node1.sh("nft delete table ip own");
      }
      await node1.sh(set);
      await ask(on.one, both(on.away.address));
      expect(await node1.sh("podwire bypass status")).toMatch(/^prerouting +pod +[0-9]+ +[0-9]+$/m);
      await node1.sh("podwire bypass off");
      expect(await getBypass(node1)).toContain("mode off");
    });

    test("ends with its namespace, under traffic too", async () => {
      const { node1 } = on.lab;
      await node1.sh(`
        for name in brief left right; do ip netns add $name; done
        number=0
        for name in left right; do
          number=$((number + 1))
          ip -n brief link add $name type veth peer name eth0 netns $name
          ip -n brief address add 10.$number.0.1/24 dev $name
          ip -n brief address add fd00:$number::1/64 dev $name nodad
          ip -n brief link set $name up
          ip -n $name address add 10.$number.0.2/24 dev eth0
          ip -n $name address add fd00:$number::2/64 dev eth0 nodad
          ip -n $name link set eth0 up
          ip -n $name route add default via 10.$number.0.1
          ip -n $name route add default via fd00:$number::1
        done
        ip netns exec brief sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
        ip netns exec brief podwire-bypass-ctl set <<< "mode bypass
pod 10.0.0.0/8
pod fd00::/16
lease 3600"
        ip netns exec left perl -MIO::Socket::IP -e '
          my @to = map { IO::Socket::IP->new(PeerHost => $_, PeerPort => 8080, Type => SOCK_DGRAM) or die } @ARGV;
          my $end = time + 20;
          while (time < $end) { for (@to) { send($_, "x", 0) } select(undef, undef, undef, 0.001) }' \
          10.2.0.2 fd00:2::2 > /dev/null 2>&1 &
        sleep 5`);
      const { forward = 0 } = Object.fromEntries(
        (await node1.sh("ip netns exec brief podwire-bypass-ctl counters"))
          .split("\n")
          .map((line) => line.trim().split(" "))
          .filter(([, reason]) => reason === "pod")
          .map(([hook, , packets]) => [hook, Number(packets)]),
      );
      expect(forward).toBeGreaterThan(100);
      // Its devices go with it, and the module waits for the end of all that it knows.
      await node1.sh(`
        ip netns delete brief
        for attempt in $(seq 100); do ip -n left link show eth0 2> /dev/null || break; sleep 0.2; done
        ! ip -n left link show eth0 2> /dev/null
        ${unloadBypass}
        ${loadBypass}
        ip netns delete left; ip netns delete right`);
      expect(await getBypass(node1)).toContain("mode off");
    });
  },
);
