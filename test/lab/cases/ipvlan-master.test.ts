// What becomes of ipvlan pods when their master changes: its addresses, its MTU, the link itself; and what the segment
// learns of them. The masters are VLANs of the lab's segment, so that the nodes' own address stays.
import { describe, expect, test, vi } from "vitest";
import { idleNodes } from "../fixture/idle-node.ts";
import { callOnce, ipvlanNetwork, leftOvers } from "../fixture/ipvlan.ts";
import { testedKernels } from "../fixture/kernels.ts";
import { withdraw } from "../fixture/overlay.ts";
import { pod } from "../fixture/pod.ts";
import { cannotRunLab, sharedLab } from "../fixture/shared-lab.ts";
import { ping } from "../fixture/traffic.ts";
import type { Endpoint, LabNode } from "../machine/node.ts";

const families = [4, 6] as const;

const addresses = (last: number) => [`203.0.113.${last}/24`, `2001:db8:113::${last}/64`];

const give = (last: number) =>
  addresses(last)
    .map((address) => `ip address add ${address} dev vlan9 ${address.includes(":") ? "nodad" : ""}`)
    .join("; ");

/** The link vlan9 of a node. */
function makeMaster(node: LabNode, words = "", id = 9): Promise<string> {
  return node.sh(`
    ip link add link eth0 name vlan9 ${words} type vlan id ${id}
    ip link set vlan9 up
    ${give(node.number)}`);
}

const onMaster = (node: LabNode, mode: "l2" | "l3" | "l3s", changes: object = {}) =>
  ipvlanNetwork(node, mode, { ipvlan: { mode, master: "vlan9" }, ...changes });

async function reach(one: Endpoint, other: Endpoint): Promise<void> {
  for (const family of families) {
    await ping(one, other, { family, count: 1 });
    await ping(other, one, { family, count: 1 });
  }
}

describe.skipIf(cannotRunLab("ipvlan's master")).each(testedKernels)(
  "ipvlan's master on kernel %s",
  (kernel) => {
    const lab = sharedLab({ kernel });
    const onIdle = idleNodes(lab);
    const onNode = (name: string, body: (node: LabNode, other: LabNode) => Promise<void>) =>
      test.concurrent(name, () =>
        onIdle(async (node) => {
          const [other] = lab.nodes.filter(({ number }) => number !== node.number) as [LabNode];
          try {
            await makeMaster(node);
            await body(node, other);
            expect(await leftOvers(node)).toBe("");
          } finally {
            await node.sh("ip link del vlan9");
          }
        }),
      );
    /** The host by the master's addresses. */
    const hostOf = (node: LabNode, last: number = node.number): Endpoint => {
      const [address = "", address6 = ""] = addresses(last).map((text) => text.replace(/\/.*/, ""));
      return { ...node, address, address6 };
    };

    for (const mode of ["l2", "l3s"] as const) {
      onNode(
        `gets other addresses, and ${mode} pods reach the host by them once podwire has looked`,
        async (node) => {
          const one = await pod(node, onMaster(node, mode));
          await reach(hostOf(node), one);
          await node.sh(`
        for address in ${addresses(node.number).join(" ")}; do ip address del $address dev vlan9; done
        ${give(77)}`);
          await expect(one.check()).rejects.toThrow("expected 203.0.113.77");
          await node.sh("podwire apply");
          await one.check();
          await reach(hostOf(node, 77), one);
          expect(await node.sh(`ip route get ${one.address}`)).toContain("src 203.0.113.77");
          if (mode === "l2") {
            const inSubnet = { ...hostOf(node), address: `10.244.255.${node.number}` };
            await node.sh(`ip address add ${inSubnet.address}/32 dev vlan9; podwire apply`);
            await ping(one, inSubnet, { count: 1 });
          }
          await one.remove();
        },
      );

      onNode(
        `is made anew with another MAC, and ${mode} pods are whole after one podwire apply`,
        async (node) => {
          const [one, beside] = [
            await pod(node, onMaster(node, mode)),
            await pod(node, onMaster(node, mode)),
          ];
          await node.sh("ip link del vlan9");
          await makeMaster(node, "address 52:54:00:00:09:09");
          await node.sh("podwire apply");
          for (const each of [one, beside]) await each.check();
          await reach(hostOf(node), one);
          await reach(one, beside);
          expect(await one.sh("ip -brief link show eth0")).toContain("52:54:00:00:09:09");
          for (const each of [one, beside]) await each.remove();
        },
      );
    }

    onNode(
      "is down, which podwire doctor says: then pods reach nothing, and all again once it is up",
      async (node) => {
        for (const mode of ["l2", "l3", "l3s"] as const) {
          const network = onMaster(node, mode);
          const one = await pod(node, network);
          await node.sh(
            `mkdir -p /etc/cni/net.d; echo '${JSON.stringify(network)}' >/etc/cni/net.d/10-podwire.conflist`,
          );
          const doctor = () => node.sh("podwire doctor || true");
          expect(await doctor()).not.toContain("link of master");
          await node.sh("ip link set vlan9 down");
          await expect(ping(node, one, { count: 1 })).rejects.toThrow("100% packet loss");
          expect(await doctor()).toMatch(/link of master vlan9.*\bdown\b/);
          await node.sh("ip link set vlan9 up; rm /etc/cni/net.d/10-podwire.conflist");
          await ping(node, one, { count: 1 });
          await one.remove();
        }
      },
    );

    onNode("has a larger MTU than a pod, and the host tells senders so", async (node) => {
      for (const mode of ["l2", "l3s"] as const) {
        const one = await pod(node, onMaster(node, mode, { mtu: 1300 }));
        for (const to of [one.address, one.address6]) {
          await expect(node.sh(`ping -n -c 1 -W 2 -M do -s 1400 ${to}`)).rejects.toThrow(/too long|mtu/i);
          await node.sh(`ping -n -c 1 -W 2 -M dont -s 1400 ${to}`);
        }
        await one.remove();
      }
    });

    onNode("is too small for IPv6, and pods have IPv4 alone", async (node) => {
      await node.sh("ip link set vlan9 mtu 1200");
      for (const mode of ["l2", "l3", "l3s"] as const) {
        const ranges = [[{ subnet: `10.244.${node.number}.0/24` }]];
        const ipam = { type: "host-local", ranges, routes: [{ dst: "0.0.0.0/0" }] };
        const [one, beside] = [
          await pod(node, onMaster(node, mode, { ipam })),
          await pod(node, onMaster(node, mode, { ipam })),
        ];
        for (const to of [hostOf(node), beside]) await ping(one, to, { count: 1 });
        for (const each of [one, beside]) await each.check();
        for (const each of [one, beside]) await each.remove();
      }
    });

    onNode("has a smaller MTU than an overlay, and l2 pods get that", async (node, other) => {
      await node.sh("ip link set vlan9 mtu 1300");
      const peers = [{ node: "n2", address: other.address, podCIDRs: ["10.244.128.0/24"] }];
      const overlay = { type: "vxlan", underlay: "eth0", peers };
      const one = await pod(node, onMaster(node, "l2", { overlay }));
      expect(await one.sh("ip link show eth0")).toContain("mtu 1300");
      await one.remove();
      expect((await withdraw(node)).trim()).toBe("");
    });

    for (const mode of ["l2", "l3s"] as const) {
      onNode(
        `gave its name to another link: no new ${mode} pod until the old ones are gone`,
        async (node) => {
          const one = await pod(node, onMaster(node, mode));
          await node.sh(`
          ip link set vlan9 down; ip link set vlan9 name vlan8; ip link set vlan8 up
          ip link add link eth0 name vlan9 address 52:54:00:00:09:10 type vlan id 10; ip link set vlan9 up
          ip address flush dev vlan8 scope global; ${give(90 + node.number)}
          ${give(node.number).replaceAll("vlan9", "vlan8")}`);
          const refusal = {
            code: 106,
            details: expect.stringContaining("is on vlan8, which had the name before"),
          };
          const add = callOnce(node, "ADD", onMaster(node, mode), { container: "new" });
          expect(await add).toMatchObject(refusal);
          const status = await callOnce(node, "STATUS", onMaster(node, mode));
          expect(status).toMatchObject({ ...refusal, code: 50 });
          // Nothing can be put right, and nothing must be spoilt.
          await expect(node.sh("podwire apply")).rejects.toThrow("expected master vlan9, found another one");
          expect(await node.sh("podwire status || true")).toContain(
            "expected master vlan9, found another one",
          );
          for (const family of families) await ping(node, one, { family, count: 1 });
          await one.remove();
          const next = await pod(node, onMaster(node, mode));
          await ping(node, next, { count: 1 });
          await next.remove();
          await node.sh("ip link del vlan8");
        },
      );
    }

    onNode(
      "has neighbours on the segment that learn of a pod that comes to it in l2",
      async (node, other) => {
        // Of its own, so that the other node's master is not in the way.
        await node.sh("ip link del vlan9");
        await makeMaster(node, "", 19);
        await other.sh("ip link add link eth0 name watch19 type vlan id 19; ip link set watch19 up");
        const base = await pod(node, onMaster(node, "l2"));
        // The next pods', as another node's had them.
        const formerly = "lladdr 02:00:00:00:00:99 dev watch19 nud stale";
        const next = (address = "") => {
          const radix = address.includes(":") ? 16 : 10;
          return address.replace(/[0-9a-f]+$/, (last) => (Number.parseInt(last, radix) + 1).toString(radix));
        };
        await other.sh(
          `ip neigh replace ${next(base.address)} ${formerly}; ip neigh replace ${next(base.address6)} ${formerly}`,
        );
        const come = await pod(node, onMaster(node, "l2"));
        expect([come.address, come.address6]).toEqual([next(base.address), next(base.address6)]);
        const mac = (await node.sh("cat /sys/class/net/vlan9/address")).trim();
        for (const address of [come.address, come.address6]) {
          // expect.poll() knows no test when several run at once.
          await vi.waitFor(
            async () =>
              expect(await other.sh(`ip neigh show ${address} dev watch19`)).toContain(`lladdr ${mac}`),
            { timeout: 30_000, interval: 500 },
          );
        }
        await other.sh("ip link del watch19");
        for (const each of [base, come]) await each.remove();
      },
    );
  },
);
