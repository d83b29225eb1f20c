// podwire_bypass where packets take other ways than plain forwarding: IPsec and VRFs.
import { describe, expect, test } from "vitest";
import { both, bypassPods, namespaceOf, sameOffAndOn } from "../fixture/bypass-pods.ts";
import { testedKernels } from "../fixture/kernels.ts";
import { cannotRunFullLab } from "../fixture/shared-lab.ts";
import { answerAs, ask } from "../fixture/talk.ts";
import type { LabNode } from "../machine/node.ts";

describe.skipIf(cannotRunFullLab("podwire_bypass")).each(testedKernels)(
  "podwire_bypass on kernel %s, by way of",
  (kernel) => {
    const on = bypassPods(kernel);

    test("IPsec between the nodes, which rules about ESP still see", async () => {
      const { node1, node2 } = on.lab;
      const key = (digit: string) => `0x${digit.repeat(40)}`;
      const secure = (own: LabNode, peer: LabNode) => {
        const state = (from: LabNode, to: LabNode) =>
          `ip xfrm state add src ${from.address} dst ${to.address} proto esp spi 0x${from.number}00 reqid 1 mode tunnel aead 'rfc4106(gcm(aes))' ${key(`${from.number}`)} 128`;
        const policy = (from: LabNode, to: LabNode, direction: string) =>
          `ip xfrm policy add src 10.244.${from.number}.0/24 dst 10.244.${to.number}.0/24 dir ${direction} tmpl src ${from.address} dst ${to.address} proto esp reqid 1 mode tunnel`;
        return [
          state(own, peer),
          state(peer, own),
          policy(own, peer, "out"),
          policy(peer, own, "in"),
          policy(peer, own, "fwd"),
          "iptables -t mangle -A POSTROUTING -p esp",
        ].join("\n");
      };
      const countedEsp = async () =>
        Number(/^ *([0-9]+)/m.exec(await node1.sh("iptables -t mangle -vxnL POSTROUTING | tail -1"))?.[1]);
      await node1.sh(secure(node1, node2));
      await node2.sh(secure(node2, node1));
      try {
        const { seen, counts } = await sameOffAndOn(on, on.one, both(on.away.address));
        expect(seen).toEqual([`away sees ${on.one.address}`, `away sees ${on.one.address} and 1`]);
        expect(counts["forward pod"]).toBeGreaterThan(3);
        const before = await countedEsp();
        await ask(on.one, both(on.away.address));
        expect(await countedEsp()).toBeGreaterThan(before + 3);
      } finally {
        for (const node of [node1, node2])
          await node.sh("ip xfrm policy flush; ip xfrm state flush; iptables -t mangle -F POSTROUTING");
      }
    });

    test("a VRF, whose packets have hooks of their own", async () => {
      const { node1 } = on.lab;
      await node1.sh(`ip link add vrf1 type vrf table 77; ip link set vrf1 up
        for end in 1 2; do
          ip netns add inside$end; ip link add name port$end type veth peer name eth0 netns inside$end
          ip link set port$end master vrf1 up; ip address add 10.244.21$end.1/24 dev port$end
          ip -n inside$end link set lo up; ip -n inside$end link set eth0 up
          ip -n inside$end address add 10.244.21$end.2/24 dev eth0; ip -n inside$end route add default via 10.244.21$end.1
        done`);
      const [client, server] = [1, 2].map((end) => namespaceOf(node1, `inside${end}`, `10.244.21${end}.2`));
      if (client === undefined || server === undefined) throw new Error("unreachable");
      await answerAs("inside", server);
      const { seen, counts } = await sameOffAndOn(on, client, both(server.address));
      expect(seen).toEqual([`inside sees ${client.address}`, `inside sees ${client.address} and 1`]);
      expect(counts["prerouting vrf-or-l3s"]).toBeGreaterThan(3);
      await node1.sh(`ip netns pids inside2 | xargs kill; ip link delete vrf1
        for end in 1 2; do ip netns delete inside$end; done`);
    });
  },
);
