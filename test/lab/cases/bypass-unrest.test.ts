// podwire_bypass with tunnels, under traffic while it is changed, and with hostile or very long configurations.
import { describe, expect, test } from "vitest";
import { countedDuring, getBypass, loadBypass, setBypass, unloadBypass } from "../fixture/bypass.ts";
import { both, bypassModes, bypassPods, podLines } from "../fixture/bypass-pods.ts";
import { testedKernels } from "../fixture/kernels.ts";
import { conflistFor, pod } from "../fixture/pod.ts";
import { cannotRunFullLab } from "../fixture/shared-lab.ts";
import { answerAs, ask } from "../fixture/talk.ts";
import { iperf3, transfer } from "../fixture/traffic.ts";
import type { LabNode } from "../machine/node.ts";

describe.skipIf(cannotRunFullLab("podwire_bypass")).each(testedKernels)(
  "podwire_bypass on kernel %s",
  (kernel) => {
    const on = bypassPods(kernel, 2, 2);

    // vxlan over IPv6 hands on what the packet in it was marked as.
    test.each([
      { encap: "ip", length: 32, addressOf: (node: LabNode) => node.address },
      { encap: "ip6", length: 128, addressOf: (node: LabNode) => node.address6 },
    ])(
      "bypasses the tunnel ($encap) between two nodes, and no other program's datagrams to its port",
      async ({ encap, length, addressOf }) => {
        const { node1, node2 } = on.lab;
        const ways = [
          { own: node1, peer: node2 },
          { own: node2, peer: node1 },
        ];
        const mac = ({ number }: LabNode) => `02:00:00:00:00:0${number}`;
        for (const { own, peer } of ways)
          await own.sh(`
            ip link add pw-vxlan address ${mac(own)} type vxlan external dstport 8472 udpcsum udp6zerocsumrx
            ip link set pw-vxlan mtu 1430 up
            ip neigh replace 169.254.77.${peer.number} lladdr ${mac(peer)} dev pw-vxlan nud permanent
            ip route replace 10.244.${peer.number}.0/24 encap ${encap} id 4096 dst ${addressOf(peer)} csum via 169.254.77.${peer.number} dev pw-vxlan onlink`);
        try {
          for (const mode of bypassModes) {
            for (const { own, peer } of ways) {
              const ends = [`node ${addressOf(own)}/${length}`, `peer ${addressOf(peer)}/${length}`];
              await setBypass(own, `mode ${mode}`, ...podLines, ...ends, "tunnel udp 8472");
            }
            const counts = await countedDuring(node1, async () => {
              expect(await ask(on.one, both(on.away.address)), mode).toEqual([
                `away sees ${on.one.address}`,
                `away sees ${on.one.address} and 1`,
              ]);
              await transfer(on.one, on.away, 3);
            });
            if (mode === "off") continue;
            expect(counts["output tunnel"], mode).toBeGreaterThan(10);
            expect(counts["prerouting tunnel"], mode).toBeGreaterThan(10);
            if (mode === "bypass") expect(counts["input tunnel"]).toBe(counts["prerouting tunnel"]);
            else expect(counts["input tunnel"], mode).toBe(undefined);
          }
          const counts = await countedDuring(node1, () =>
            node1.sh(`perl -MIO::Socket::IP -e '
              my $socket = IO::Socket::IP->new(PeerHost => "${addressOf(node2)}", PeerPort => 8472, Type => SOCK_DGRAM) or die;
              syswrite($socket, "x") for 1 .. 5'`),
          );
          expect(counts["output user-socket"]).toBe(5);
          // A firewall that knows connections sees a tunnel that is not bypassed as such, whatever is in it.
          const program = encap === "ip" ? "iptables" : "ip6tables";
          const stateful = `OUTPUT -p udp --dport 8472 -m conntrack ! --ctstate NEW,RELATED,ESTABLISHED -j DROP`;
          for (const mode of bypassModes) {
            for (const { own } of ways) {
              await own.sh(`${program} -A ${stateful}`);
              await setBypass(own, `mode ${mode}`, ...podLines);
            }
            expect(await ask(on.one, both(on.away.address)), mode).toEqual([
              `away sees ${on.one.address}`,
              `away sees ${on.one.address} and 1`,
            ]);
            await transfer(on.one, on.away, 1);
            for (const { own } of ways) await own.sh(`${program} -D ${stateful}`);
          }
          // What a peer has to say of a packet of ours is about what was bypassed, too.
          for (const { own, peer } of ways) {
            const ends = [`node ${addressOf(own)}/${length}`, `peer ${addressOf(peer)}/${length}`];
            await setBypass(own, "mode bypass", ...podLines, ...ends, "tunnel udp 8472");
          }
          await node2.sh("ip link set pw-vxlan down");
          const errors = await countedDuring(node1, () =>
            on.one.sh(`ping -c 3 -W 1 ${on.away.address} || true`),
          );
          expect(errors["prerouting icmp-error"]).toBeGreaterThan(0);
        } finally {
          for (const { own, peer } of ways)
            await own.sh(
              `ip route replace 10.244.${peer.number}.0/24 via ${peer.address}; ip link delete pw-vxlan`,
            );
        }
      },
    );

    test("survives being unloaded and loaded, switched and reconfigured under traffic", async () => {
      const { node1 } = on.lab;
      await on.setAll("mode bypass", ...podLines);
      const figures = iperf3(on.one, on.away, { seconds: 25 });
      const others = iperf3(on.away, on.beside, { seconds: 20 });
      for (let round = 0; round < 5; round++) {
        for (const mode of bypassModes)
          await setBypass(node1, `mode ${mode}`, ...podLines, "tunnel udp 8472", "node 192.0.2.1/32");
        await node1.sh(unloadBypass);
        await node1.sh(loadBypass);
      }
      for (const { bytes, seconds } of await Promise.all([figures, others])) {
        expect(bytes).toBeGreaterThan(1e6);
        // TCP repairs what is lost on the way in less than that; a flow that was cut is still to the end.
        expect(longestStill(seconds), `bytes of each second: ${seconds}`).toBeLessThan(2);
      }
    });

    test("serves pods that come and go under traffic", async () => {
      const { node1 } = on.lab;
      await on.setAll("mode bypass", ...podLines);
      const others = transfer(on.away, on.beside, 60);
      for (let round = 0; round < 3; round++) {
        const guest = await pod(node1, conflistFor(node1, { timeout: 300 }));
        await answerAs(`guest${round}`, guest);
        const name = `guest${round}`;
        expect(await ask(on.away, both(guest.address))).toEqual([
          `${name} sees ${on.away.address}`,
          `${name} sees ${on.away.address} and 1`,
        ]);
        // Conntrack is to forget nothing that it has to know: the next one begins on the full path.
        await setBypass(node1, "mode bypass", ...podLines, `exclude ${guest.address}/32`);
        expect(await ask(on.away, both(guest.address))).toHaveLength(2);
        await setBypass(node1, "mode bypass", ...podLines);
        await node1.sh(`ip netns pids ${guest.netns.split("/").at(-1)} | xargs kill`);
        await guest.remove();
      }
      await others;
    });

    test("is off again when nobody renews its lease", async () => {
      await setBypass(on.lab.node1, "mode bypass", ...podLines, "lease 6");
      await on.lab.node1.sh(
        "sleep 3; podwire-bypass-ctl renew; sleep 4; podwire-bypass-ctl get | grep -q 'mode bypass'",
      );
      await on.lab.node1.sh("sleep 5");
      expect(await getBypass(on.lab.node1)).toContain("mode off");
    });

    test("takes sets of 100,000 addresses, and refuses nonsense with the reason", async () => {
      const { node1 } = on.lab;
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

/** For how many seconds on end nothing moved. */
function longestStill(seconds: readonly number[]): number {
  let [still, longest] = [0, 0];
  for (const bytes of seconds) {
    still = bytes === 0 ? still + 1 : 0;
    longest = Math.max(longest, still);
  }
  return longest;
}
