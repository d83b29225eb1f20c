// podwire_bypass between pods of two nodes: whatever it is set to, the same clients reach the same servers and are
// seen by the same addresses, by Services, masquerade and fragments too; and its counters say what it did.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import {
  bypassCounts,
  countedDuring,
  getBypass,
  installBypass,
  loadBypass,
  setBypass,
  unloadBypass,
} from "../fixture/bypass.ts";
import { testedKernels } from "../fixture/kernels.ts";
import { conflistFor, type Pod, pod } from "../fixture/pod.ts";
import { addServices, backends, removeServices } from "../fixture/services.ts";
import { cannotRunLab, sharedLab } from "../fixture/shared-lab.ts";
import { answerAs, ask, type Question } from "../fixture/talk.ts";
import { iperf3, ping, transfer } from "../fixture/traffic.ts";
import type { Endpoint, LabNode } from "../machine/node.ts";

const modes = ["off", "observe", "untrack", "bypass"] as const;
const pods = ["pod 10.244.0.0/16", "pod fd00:10:244::/48"];

describe.skipIf(cannotRunLab("podwire_bypass")).each(testedKernels)(
  "podwire_bypass on kernel %s",
  (kernel) => {
    const lab = sharedLab({ kernel });
    let one: Pod;
    let beside: Pod;
    let away: Pod;

    beforeAll(async () => {
      const { node1, node2 } = lab;
      const network = { timeout: 300 };
      one = await pod(node1, conflistFor(node1, network));
      beside = await pod(node1, conflistFor(node1, network));
      away = await pod(node2, conflistFor(node2, network));
      await node1.sh(
        `ip route add 10.244.2.0/24 via ${node2.address}; ip route add fd00:10:244:2::/64 via ${node2.address6}`,
      );
      await node2.sh(
        `ip route add 10.244.1.0/24 via ${node1.address}; ip route add fd00:10:244:1::/64 via ${node1.address6}`,
      );
      await Promise.all([installBypass(node1, kernel), installBypass(node2, kernel)]);
      await answerAs("one", one);
      await answerAs("beside", beside);
      await answerAs("away", away);
    }, 900_000);

    const setAll = (...lines: string[]) => Promise.all(lab.nodes.map((node) => setBypass(node, ...lines)));
    afterEach(() => setAll("mode off"));

    const both = (to: string, port = 8080, bytes = 1): Question[] => [
      { protocol: "tcp", to, port },
      { protocol: "udp", to, port, bytes },
    ];

    test("is off until it is configured, and says what it is set to", async () => {
      expect(await lab.node1.sh("cat /proc/net/podwire_bypass")).toContain("mode off");
      await setBypass(
        lab.node1,
        "mode bypass",
        ...pods,
        "pod 10.244.1.0/24",
        "exclude 10.244.1.77/32",
        "lease 100",
        "node 192.0.2.1/32",
        "peer 192.0.2.2/31",
        "tunnel udp 8472",
      );
      const lines = (await getBypass(lab.node1)).trim().split("\n");
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
      await setAll("mode bypass", ...pods);
      const questions = [...both(away.address), ...both(away.address6 ?? ""), ...both(beside.address)];
      const counts = await countedDuring(lab.node1, async () => {
        expect((await ask(one, questions)).every((answer) => answer.includes("sees"))).toBe(true);
      });
      expect(counts["prerouting pod"]).toBeGreaterThan(20);
      expect(counts["forward pod"]).toBe(counts["prerouting pod"]);
      await setAll("mode untrack", ...pods);
      const untracked = await countedDuring(lab.node1, () => ask(one, questions));
      expect(untracked["prerouting pod"]).toBeGreaterThan(20);
      expect(untracked["forward pod"]).toBe(undefined);
      await setAll("mode observe", ...pods);
      expect((await countedDuring(lab.node1, () => ask(one, questions)))["prerouting pod"]).toBeGreaterThan(
        20,
      );
    });

    test("leaves excluded pods alone", async () => {
      await setAll("mode bypass", ...pods, `exclude ${one.address}/32`);
      const counts = await countedDuring(lab.node1, () => ask(one, both(away.address)));
      expect(counts["prerouting pod"]).toBe(undefined);
      expect(counts["prerouting excluded"]).toBeGreaterThan(3);
    });

    test("transfers arrive whole, and large ones in few packets", async () => {
      await setAll("mode bypass", ...pods);
      const counts = await countedDuring(lab.node1, async () => {
        await transfer(one, away, 20);
        await transfer(away, one, 20, 6);
      });
      expect(counts["prerouting pod"]).toBeGreaterThan(200);
    });

    describe.each(backends)("beside Services by %s", (backend) => {
      beforeAll(async () => {
        const { node1 } = lab;
        await node1.sh(
          addServices(backend, {
            clusterIps: { "10.96.0.1": away.address, "10.96.0.2": beside.address, "10.96.0.3": one.address },
            nodePort: { node: node1.address, port: 30080, backend: away.address },
          }),
        );
      }, 300_000);
      afterAll(() => lab.node1.sh(removeServices(backend)));

      /** Everything that can be seen from outside. */
      const observe = async () => {
        const { node1, node2 } = lab;
        const services = ["10.96.0.1", "10.96.0.2", "10.96.0.3"].flatMap((address) => both(address, 80));
        const direct = [
          ...both(away.address),
          ...both(beside.address),
          ...both(away.address6 ?? "", 8080),
          ...both(away.address, 8080, 4000),
        ];
        const from = async (client: Endpoint, questions: readonly Question[]) =>
          (await ask(client, questions)).map(
            (answer, index) => `${client.name}, ${JSON.stringify(questions[index])}: ${answer}`,
          );
        return [
          ...(await from(one, [...services, ...direct])),
          ...(await from(beside, services)),
          ...(await from(away, [
            ...both(one.address),
            ...both(one.address6 ?? ""),
            ...both(node1.address, 30080),
          ])),
          ...(await from(node1, [...services, ...both(one.address), ...both(away.address)])),
          ...(await from(node2, [...both(node1.address, 30080), ...both(one.address)])),
          `masqueraded: ${(await ping(one, { ...lab.node2, address: "192.0.2.254" }, { count: 1 })) > 0}`,
        ];
      };

      let expected: string[];
      test("nobody notices any mode", async () => {
        expected = await observe();
        expect(expected.filter((line) => /nothing|no connection/.test(line))).toEqual([]);
        for (const mode of modes) {
          await setAll(`mode ${mode}`, ...pods);
          expect(await observe(), mode).toEqual(expected);
        }
        const counts = await bypassCounts(lab.node1);
        expect(counts["prerouting conntrack-entry"]).toBeGreaterThan(0);
      });

      test("a pod learns of a smaller MTU on the way, which conntrack would find invalid", async () => {
        const { node2 } = lab;
        const route = (await node2.sh(`ip route show ${away.address}`)).trim();
        await node2.sh(`ip route replace ${away.address}/32 ${route.slice(route.indexOf("dev"))} mtu 1200`);
        try {
          await setAll("mode bypass", ...pods);
          const counts = await countedDuring(lab.node1, () => transfer(one, away, 3));
          expect(counts["prerouting icmp-error"]).toBeGreaterThan(0);
        } finally {
          await node2.sh(`ip route replace ${away.address}/32 ${route.slice(route.indexOf("dev"))}`);
          await one.sh("ip route flush cache");
        }
      });

      test("an answer to a Service is translated, though its flow was just bypassed without one", async () => {
        await setAll("mode bypass", ...pods);
        const counts = await countedDuring(lab.node1, async () => {
          expect(await askByTurns(one, away.address, "10.96.0.1")).toEqual(
            "6 of 6 from 10.96.0.1 after 30 direct each",
          );
        });
        expect(counts["prerouting pod"]).toBeGreaterThan(200);
      });
    });

    test("bypasses the tunnel between two nodes, and no other program's datagrams to its port", async () => {
      const { node1, node2 } = lab;
      const mac = (number: number) => `02:00:00:00:00:0${number}`;
      const tunnel = (own: LabNode, peer: LabNode) => `
      ip link add pw-vxlan address ${mac(own.number)} type vxlan external dstport 8472 udpcsum
      ip link set pw-vxlan up
      ip neigh replace 169.254.77.${peer.number} lladdr ${mac(peer.number)} dev pw-vxlan nud permanent
      ip route replace 10.244.${peer.number}.0/24 encap ip id 4096 dst ${peer.address} via 169.254.77.${peer.number} dev pw-vxlan onlink`;
      const rules = (own: LabNode, peer: LabNode) => [
        `node ${own.address}/32`,
        `peer ${peer.address}/32`,
        "tunnel udp 8472",
      ];
      await Promise.all([node1.sh(tunnel(node1, node2)), node2.sh(tunnel(node2, node1))]);
      try {
        for (const mode of modes) {
          await setBypass(node1, `mode ${mode}`, ...pods, ...rules(node1, node2));
          await setBypass(node2, `mode ${mode}`, ...pods, ...rules(node2, node1));
          const counts = await countedDuring(node1, async () => {
            expect(await ask(one, both(away.address)), mode).toEqual([
              `away sees ${one.address}`,
              `away sees ${one.address} and 1`,
            ]);
            await transfer(one, away, 3);
          });
          if (mode === "off") continue;
          expect(counts["output tunnel"], mode).toBeGreaterThan(10);
          expect(counts["prerouting tunnel"], mode).toBeGreaterThan(10);
          if (mode === "bypass") expect(counts["input tunnel"]).toBe(counts["prerouting tunnel"]);
          else expect(counts["input tunnel"], mode).toBe(undefined);
        }
        const counts = await countedDuring(node1, () =>
          node1.sh(`perl -MSocket -e 'socket(S, AF_INET, SOCK_DGRAM, 0);
        send(S, "x", 0, pack_sockaddr_in(8472, inet_aton("${node2.address}"))) for 1 .. 5'`),
        );
        expect(counts["output user-socket"]).toBe(5);
      } finally {
        for (const [own, peer] of [
          [node1, node2],
          [node2, node1],
        ] as const) {
          await own.sh(
            `ip route replace 10.244.${peer.number}.0/24 via ${peer.address}; ip link delete pw-vxlan`,
          );
        }
      }
    });

    test("is set, shown and switched off by podwire, which refuses where a rule would be passed by", async () => {
      const { node1 } = lab;
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
      await ask(one, both(away.address));
      expect(await node1.sh("podwire bypass status")).toMatch(/^prerouting +pod +[0-9]+ +[0-9]+$/m);
      await node1.sh("podwire bypass off");
      expect(await getBypass(node1)).toContain("mode off");
    });

    test("survives being unloaded and loaded, switched and reconfigured under traffic", async () => {
      const { node1 } = lab;
      await setAll("mode bypass", ...pods);
      const figures = iperf3(one, away, { seconds: 25 });
      const others = iperf3(away, beside, { seconds: 20 });
      for (let round = 0; round < 5; round++) {
        for (const mode of modes)
          await setBypass(node1, `mode ${mode}`, ...pods, "tunnel udp 8472", "node 192.0.2.1/32");
        await node1.sh(unloadBypass);
        await node1.sh(loadBypass);
      }
      expect((await figures).bytes).toBeGreaterThan(1e6);
      expect((await others).bytes).toBeGreaterThan(1e6);
    });

    test("ends with its namespace", async () => {
      await lab.node1.sh(`
      ip netns add brief
      ip netns exec brief podwire-bypass-ctl set <<< "mode bypass
pod 10.0.0.0/8
lease 3600"
      ip netns exec brief podwire-bypass-ctl get | grep -q 'mode bypass'
      ip netns delete brief`);
      expect(await getBypass(lab.node1)).toContain("mode off");
    });

    test("is off again when nobody renews its lease", async () => {
      await setBypass(lab.node1, "mode bypass", ...pods, "lease 6");
      await lab.node1.sh(
        "sleep 3; podwire-bypass-ctl renew; sleep 4; podwire-bypass-ctl get | grep -q 'mode bypass'",
      );
      await lab.node1.sh("sleep 5");
      expect(await getBypass(lab.node1)).toContain("mode off");
    });

    test("takes sets of 100,000 addresses, and refuses nonsense with the reason", async () => {
      const { node1 } = lab;
      await node1.sh(`{ echo mode observe; echo pod 10.0.0.0/8
      awk 'BEGIN { for (a = 0; a < 200; a += 2) for (b = 0; b < 200; b++) for (c = 1; c < 10; c += 2)
        print "exclude 10." a "." b "." c "/32" }'; } > /tmp/many
      podwire-bypass-ctl set < /tmp/many
      [ $(podwire-bypass-ctl get | sort -u | grep -c exclude) = 100000 ]`);
      await expect(setBypass(node1, "mode observe", "pod 10.1.2.3/8")).rejects.toThrow("bits are set beyond");
      await expect(setBypass(node1, "mode observe", "tunnel udp 0")).rejects.toThrow("port is 0");
      await expect(setBypass(node1, "mode observe", "generation 1")).rejects.toThrow("changed in between");
      await expect(setBypass(node1, "pod 10.0.0.0/8")).rejects.toThrow("the mode is missing");
      const asNobody = await node1.attempt("setpriv", [
        "--reuid=65534",
        "--clear-groups",
        "podwire-bypass-ctl",
        "get",
      ]);
      expect(asNobody.stderr).toContain("Operation not permitted");
      const inPod = await node1.attempt("unshare", [
        "--user",
        "--map-root-user",
        "--net",
        "podwire-bypass-ctl",
        "get",
      ]);
      expect(inPod.stderr).toContain("Operation not permitted");
    });
  },
);

/** Datagrams from one port: many to the backend itself, then one to its Service, whose answer must come from there. */
async function askByTurns(client: Endpoint, backend: string, service: string): Promise<string> {
  return (
    await client.sh(`perl - ${backend} ${service} <<'END'
use strict; use Socket qw(:all);
my ($backend, $service) = @ARGV; my $good = 0;
for my $port (20001 .. 20006) {
  socket(my $socket, AF_INET, SOCK_DGRAM, 0); bind($socket, pack_sockaddr_in($port, INADDR_ANY)) or die;
  setsockopt($socket, SOL_SOCKET, SO_RCVTIMEO, pack('l!l!', 3, 0));
  my $ask = sub { send($socket, 'x', 0, pack_sockaddr_in($_[1], inet_aton($_[0]))); my $from = recv($socket, my $text, 99, 0);
    $from ? inet_ntoa((unpack_sockaddr_in($from))[1]) : 'nobody' };
  # Longer than a second, so that the flow is remembered.
  for (1 .. 30) { $ask->($backend, 8080) eq $backend or die 'direct'; select(undef, undef, undef, 0.1) if $_ % 2 }
  $good++ if $ask->($service, 80) eq $service;
}
print "$good of 6 from $service after 30 direct each";
END`)
  ).trim();
}
