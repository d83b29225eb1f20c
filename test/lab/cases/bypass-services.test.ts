// podwire_bypass beside Services: whatever it is set to, the same clients reach the same servers and are seen by the same
// addresses; masquerade, fragments and a smaller MTU on the way included.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bypassCounts, countedDuring } from "../fixture/bypass.ts";
import { both, bypassModes, bypassPods, podLines } from "../fixture/bypass-pods.ts";
import { isFull, testedKernels } from "../fixture/kernels.ts";
import { addServices, backends, removeServices } from "../fixture/services.ts";
import { cannotRunFullLab } from "../fixture/shared-lab.ts";
import { ask, type Question } from "../fixture/talk.ts";
import { ping, transfer } from "../fixture/traffic.ts";
import type { Endpoint } from "../machine/node.ts";

describe.skipIf(cannotRunFullLab("podwire_bypass")).each(testedKernels)(
  "podwire_bypass on kernel %s",
  (kernel) => {
    const on = bypassPods(kernel);

    describe.each(isFull ? backends : backends.slice(0, 1))("beside Services by %s", (backend) => {
      beforeAll(async () => {
        const { node1 } = on.lab;
        await node1.sh(
          addServices(backend, {
            clusterIps: {
              "10.96.0.1": [on.away.address],
              "10.96.0.2": [on.beside.address],
              "10.96.0.3": [on.one.address],
              "10.96.0.4": [on.away.address, on.beside.address],
            },
            nodePort: { node: node1.address, port: 30080, backend: on.away.address },
          }),
        );
      }, 300_000);
      afterAll(() => on.lab.node1.sh(removeServices(backend)));

      /** Everything that can be seen from outside. */
      const observe = async () => {
        const { node1, node2 } = on.lab;
        const services = ["10.96.0.1", "10.96.0.2", "10.96.0.3"].flatMap((address) => both(address, 80));
        const affine = [...both("10.96.0.4", 80), ...both("10.96.0.4", 80), ...both("10.96.0.4", 80)];
        const direct = [
          ...both(on.away.address),
          ...both(on.beside.address),
          ...both(on.away.address6 ?? "", 8080),
          ...both(on.away.address, 8080, 4000),
          // Nobody is there: an ICMP error says so.
          { protocol: "udp", to: on.away.address, port: 9 },
        ] as const;
        const from = async (client: Endpoint, questions: readonly Question[]) =>
          (await ask(client, questions)).map(
            (answer, index) => `${client.name}, ${JSON.stringify(questions[index])}: ${answer}`,
          );
        return [
          ...(await from(on.one, [...services, ...affine, ...direct])),
          ...(await from(on.beside, services)),
          ...(await from(on.away, [
            ...both(on.one.address),
            ...both(on.one.address6 ?? ""),
            ...both(node1.address, 30080),
          ])),
          ...(await from(node1, [...services, ...both(on.one.address), ...both(on.away.address)])),
          ...(await from(node2, [...both(node1.address, 30080), ...both(on.one.address)])),
          `masqueraded: ${(await ping(on.one, { ...on.lab.node2, address: "192.0.2.254" }, { count: 1 })) > 0}`,
        ];
      };

      // kube-proxy's own chains are known by their names alone.
      test.skipIf(backend === "nft")("podwire finds nothing that speaks against it", async () => {
        const prefixes = podLines.map((line) => line.replace("pod ", "")).join(",");
        expect(await on.lab.node1.sh(`podwire bypass check --pods ${prefixes} || true`)).toContain(
          "nothing speaks against it",
        );
      });

      let expected: string[];
      test("nobody notices any mode", async () => {
        expected = await observe();
        expect(expected.filter((line) => /nothing|no connection/.test(line))).toEqual([]);
        expect(expected.filter((line) => line.includes("Connection refused"))).toHaveLength(1);
        for (const mode of bypassModes) {
          await on.setAll(`mode ${mode}`, ...podLines);
          expect(await observe(), mode).toEqual(expected);
        }
        const counts = await bypassCounts(on.lab.node1);
        expect(counts["prerouting conntrack-entry"]).toBeGreaterThan(0);
      });

      test("a pod learns of a smaller MTU on the way, which conntrack would find invalid", async () => {
        const { node2 } = on.lab;
        const route = (await node2.sh(`ip route show ${on.away.address}`)).trim();
        await node2.sh(
          `ip route replace ${on.away.address}/32 ${route.slice(route.indexOf("dev"))} mtu 1200`,
        );
        try {
          await on.setAll("mode bypass", ...podLines);
          const counts = await countedDuring(on.lab.node1, () => transfer(on.one, on.away, 3));
          expect(counts["prerouting icmp-error"]).toBeGreaterThan(0);
        } finally {
          await node2.sh(`ip route replace ${on.away.address}/32 ${route.slice(route.indexOf("dev"))}`);
          await on.one.sh("ip route flush cache");
        }
      });

      test("an answer to a Service is translated, though its flow was just bypassed without one", async () => {
        await on.setAll("mode bypass", ...podLines);
        const counts = await countedDuring(on.lab.node1, async () => {
          expect(await askByTurns(on.one, on.away.address, "10.96.0.1")).toEqual(
            "6 of 6 from 10.96.0.1 after 30 direct each",
          );
        });
        expect(counts["prerouting pod"]).toBeGreaterThan(200);
      });
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
