// What of netfilter sees the segments that a node sends, in each mode of output, and that none of it sees those that arrive.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { testedKernels } from "../fixture/kernels.ts";
import { cannotRunFullLab, sharedLab } from "../fixture/shared-lab.ts";
import { ping } from "../fixture/traffic.ts";
import type { LabNode } from "../machine/node.ts";
import { closeTunnel, endOf, loadModule, openTunnel } from "../stt/tunnel.ts";

/** Rules that count segments, and one that drops what connection tracking takes for broken. */
const rules = `
table inet seen {
  counter output {}
  counter tracked {}
  counter untracked {}
  counter postrouting {}
  counter prerouting {}
  counter invalid {}
  chain output {
    type filter hook output priority 0
    tcp dport 7471 counter name output
    tcp dport 7471 ct state != untracked counter name tracked
    tcp dport 7471 ct state untracked counter name untracked
  }
  chain postrouting {
    type filter hook postrouting priority 0
    tcp dport 7471 counter name postrouting
  }
  chain prerouting {
    type filter hook prerouting priority -400
    tcp dport 7471 counter name prerouting
  }
  chain input {
    type filter hook input priority 0
    iifname eth0 ct state invalid counter name invalid drop
  }
}`;

const none = { output: 0, tracked: 0, untracked: 0, postrouting: 0, prerouting: 0, invalid: 0 };
const count = 5;

describe.skipIf(cannotRunFullLab("outputs of STT")).each(testedKernels)("STT on kernel %s", (kernel) => {
  const lab = sharedLab({ kernel });
  beforeAll(async () => {
    await loadModule(lab);
    for (const node of lab.nodes) await node.sh("nft -f -", { input: rules });
  }, 600_000);

  describe.each([4, 6] as const)("over IPv%i", (underlay) => {
    beforeAll(() => openTunnel(lab, { underlay }));
    afterAll(() => closeTunnel(lab));

    test.each([
      ["full", { ...none, output: count, tracked: count, postrouting: count }],
      ["notrack", { ...none, output: count, untracked: count, postrouting: count }],
      ["none", none],
    ])("with output %s", async (output, sent) => {
      for (const node of lab.nodes)
        await node.sh(`podwire-stt-ctl set pw-stt output ${output}; nft reset counters > /dev/null`);
      await ping(endOf(lab.node1), endOf(lab.node2), { count });
      // Each sends as many as it receives.
      for (const node of lab.nodes) expect(await countersOf(node), node.name).toEqual(sent);
    });
  });
});

async function countersOf(node: LabNode): Promise<Record<string, number>> {
  const { nftables } = JSON.parse(await node.sh("nft -j list counters table inet seen")) as {
    nftables: { counter?: { name: string; packets: number } }[];
  };
  return Object.fromEntries(
    nftables.flatMap(({ counter }) => (counter === undefined ? [] : [[counter.name, counter.packets]])),
  );
}
