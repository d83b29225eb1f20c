// podwire_bypass with tunnels, under traffic while it is changed, and with hostile or very long configurations.
import { describe, expect, test } from "vitest";
import { countedDuring, getBypass, loadBypass, setBypass, unloadBypass } from "../fixture/bypass.ts";
import { both, bypassModes, bypassPods, podLines } from "../fixture/bypass-pods.ts";
import { testedKernels } from "../fixture/kernels.ts";
import { cannotRunFullLab } from "../fixture/shared-lab.ts";
import { ask } from "../fixture/talk.ts";
import { iperf3, transfer } from "../fixture/traffic.ts";
import type { LabNode } from "../machine/node.ts";

describe.skipIf(cannotRunFullLab("podwire_bypass")).each(testedKernels)(
  "podwire_bypass on kernel %s",
  (kernel) => {
    const on = bypassPods(kernel);

    test("bypasses the tunnel between two nodes, and no other program's datagrams to its port", async () => {
      const { node1, node2 } = on.lab;
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
        for (const mode of bypassModes) {
          await setBypass(node1, `mode ${mode}`, ...podLines, ...rules(node1, node2));
          await setBypass(node2, `mode ${mode}`, ...podLines, ...rules(node2, node1));
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
      expect((await figures).bytes).toBeGreaterThan(1e6);
      expect((await others).bytes).toBeGreaterThan(1e6);
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
