// An overlay that somebody harms: `podwire apply --watch` puts it right within two seconds, and after a reboot or without a keeper
// the next ADD or `podwire apply` does. Then what changes under it: the link's MTU, the node's address.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { stateScript } from "../../overlay/state.ts";
import { type Keeper, startKeeper, twoSecondsOf } from "../fixture/keeper.ts";
import { testedKernels } from "../fixture/kernels.ts";
import {
  filedNetwork,
  install,
  type LabOverlay,
  type LabPeer,
  peersOf,
  withdraw,
  writePeers,
} from "../fixture/overlay.ts";
import { type Pod, pod } from "../fixture/pod.ts";
import { cannotRunFullLab, sharedLab } from "../fixture/shared-lab.ts";
import { ping, transfer } from "../fixture/traffic.ts";
import type { LabNode } from "../machine/node.ts";

interface Case extends LabOverlay {
  readonly device?: string;
  /** Bytes that a packet is longer by on the wire. */
  readonly overhead: number;
}

const cases: readonly Case[] = [
  { type: "geneve", device: "pw-geneve", overhead: 50 },
  { type: "vxlan", device: "pw-vxlan", overhead: 50 },
  { type: "host-gw", overhead: 0 },
];

describe.skipIf(cannotRunFullLab("kept overlays")).each(testedKernels)(
  "a kept overlay on kernel %s",
  (kernel) => {
    const lab = sharedLab({ nodes: kernel === "6.1" ? 3 : 2, kernel });

    describe.each(cases)("of type $type", (overlay) => {
      let pods: Pod[];
      let keeper: Keeper;
      const network = (node: LabNode) => filedNetwork(node, overlay);
      const wire = async () => {
        pods = await Promise.all(lab.nodes.map((node) => pod(node, network(node))));
      };
      const reach = async () => {
        const [first, ...others] = pods as [Pod, ...Pod[]];
        for (const other of others) {
          await ping(first, other, { count: 1 });
          await ping(other, first, { count: 1, family: 6 });
        }
      };
      const untilReached = async () => {
        const [first, away] = pods as [Pod, Pod];
        const ping6 = `ping -n -c 1 -W 1 ${away.address6} > /dev/null`;
        const script = `begin=$(date +%s%3N); for attempt in $(seq 60); do ping -n -c 1 -W 1 ${away.address} > /dev/null && ${ping6} && break; sleep 0.02; done
        echo $(($(date +%s%3N) - begin))`;
        return Number(await first.sh(script));
      };
      /** Only the first node has a keeper. */
      const tellAll = async (peers: readonly LabPeer[]) => {
        for (const node of lab.nodes) {
          await writePeers(node, peers);
          if (node !== lab.node1) await node.run("podwire", "apply");
        }
      };
      const state = (node: LabNode) => node.sh(stateScript());
      beforeAll(async () => {
        for (const node of lab.nodes) {
          await install(node, network(node));
          await writePeers(node, peersOf(lab.nodes));
        }
        await wire();
        keeper = await startKeeper(lab.node1);
      }, 300_000);
      afterAll(async () => {
        await keeper.stop();
        for (const each of pods) await each.remove();
        expect(await Promise.all(lab.nodes.map(withdraw))).toEqual(lab.nodes.map(() => ""));
      });

      test.each(Object.entries(harms(overlay.device)))(
        "is whole again within 2 s after %s",
        async (what, harm) => {
          const elapsed = await keeper.repairs(harm);
          console.log(`kernel ${kernel}, ${overlay.type}, ${what}: whole again after ${elapsed} ms`);
          expect(elapsed).toBeLessThan(await twoSecondsOf(lab.node1));
          await reach();
        },
      );

      test("reaches peers again within 2 s after the underlay's link went down and up", async () => {
        await lab.node1.sh(`ip link set eth0 down; sleep 0.3; ${linkUp}`);
        const elapsed = await untilReached();
        console.log(`kernel ${kernel}, ${overlay.type}, link down and up: reached again after ${elapsed} ms`);
        expect(elapsed).toBeLessThan(await twoSecondsOf(lab.node1));
        await reach();
      });

      test("follows the underlay's MTU for new pods, and doctor names the old ones", async () => {
        const [old, away] = pods as [Pod, Pod];
        const shrink = () => lab.node1.sh("ip link set eth0 mtu 1400");
        // host-gw has nothing with an MTU of its own.
        await (overlay.device === undefined
          ? shrink()
          : keeper.says(`changed link ${overlay.device}`, shrink));
        const fresh = await pod(lab.node1, network(lab.node1));
        expect(await fresh.sh("ip -o link show eth0")).toContain(` mtu ${1400 - overlay.overhead} `);
        const { stdout } = await lab.node1.attempt("podwire", ["doctor"]);
        expect(stdout).toMatch(
          new RegExp(
            `more than the overlay's ${1400 - overlay.overhead}: [^ ]+ \\(${1500 - overlay.overhead}\\)`,
          ),
        );
        await transfer(fresh, away, 4);
        await transfer(old, away, 4);
        await transfer(away, old, 4, 6);
        await lab.node1.sh("ip link set eth0 mtu 1500");
        await fresh.remove();
      });

      test("follows the node's address when the list does, and says what is wrong until then", async () => {
        const moved = peersOf(lab.nodes).map((peer) =>
          peer.node === lab.node1.name ? { ...peer, address: "192.0.2.101" } : peer,
        );
        await keeper.says("address6 .* is an address of this node, but its address is not", () =>
          lab.node1.sh(renumber("192.0.2.1", "192.0.2.101")),
        );
        await tellAll(moved);
        await untilReached();
        await reach();
        await lab.node1.sh(renumber("192.0.2.101", "192.0.2.1"));
        await tellAll(peersOf(lab.nodes));
        await untilReached();
        await reach();
      });

      test("outlives its keeper, and is made whole by the next one", async () => {
        const before = await state(lab.node1);
        await keeper.stop("KILL");
        expect(await state(lab.node1)).toBe(before);
        await lab.node1.sh(Object.values(harms(overlay.device))[0] ?? "");
        expect(await state(lab.node1)).not.toBe(before);
        keeper = await startKeeper(lab.node1);
        expect(await state(lab.node1)).toBe(before);
        await reach();
      });

      test("is there again after a reboot by the next ADD, and by apply", async () => {
        const { node2 } = lab;
        const before = await state(node2);
        // What people wrote was not written just now.
        await node2.run("sync");
        for (const by of ["ADD", "apply"]) {
          await node2.reset();
          expect(await state(node2)).not.toBe(before);
          if (by === "apply") await node2.run("podwire", "apply");
          const [first] = pods as [Pod];
          const fresh = await pod(node2, network(node2));
          expect(await state(node2)).toBe(before);
          await ping(first, fresh, { count: 1 });
          await ping(fresh, first, { count: 1, family: 6 });
          await fresh.remove();
        }
        pods = pods.filter(({ node }) => node !== node2);
      });
    });
  },
);

/** What a link that comes back has, after a DHCP client or an administrator took it down. */
const linkUp = `
  ip link set eth0 up
  ip address replace 192.0.2.1/24 dev eth0; ip address replace 2001:db8::1/64 dev eth0 nodad
  ip route replace default via 192.0.2.254; ip route replace default via 2001:db8::fe`;

const renumber = (from: string, to: string) => `
  ip address delete ${from}/24 dev eth0; ip address add ${to}/24 dev eth0; ip route replace default via 192.0.2.254`;

function harms(device: string | undefined): Record<string, string> {
  const common = {
    "the routes were flushed": "ip route flush proto 120; ip -6 route flush proto 120",
    "forwarding was turned off":
      "for family in ipv4 ipv6; do echo 0 > /proc/sys/net/$family/conf/all/forwarding; done",
    "the rules were flushed": "nft flush ruleset",
  };
  if (device === undefined) return common;
  return {
    ...common,
    "the device was deleted": `ip link delete ${device}`,
    "the device got another MAC, as udev gives one": `ip link set ${device} address 02:00:00:00:00:01`,
    "the device's settings were written over": `echo 0 > /proc/sys/net/ipv4/conf/${device}/forwarding; ip link set ${device} mtu 1280 down`,
    "addresses and neighbours were flushed": `ip address flush dev ${device}; ip neighbour flush dev ${device} nud permanent`,
  };
}
