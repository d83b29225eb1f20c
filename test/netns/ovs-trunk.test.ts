// VLANs that pods tag themselves: what goes both ways between them and a segment, and what they may not claim to be there. A
// kernel without VLANs will do: in a pod they are ports of an Open vSwitch of its own, as in a pod that is a router.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { advertisement, arpClaim, type Claim } from "../fixture/frames.ts";
import { startNode, type TestNode } from "../fixture/node.ts";
import {
  datapathTypeHere,
  hasOpenVswitch,
  type OpenVswitch,
  startOpenVswitch,
} from "../fixture/open-vswitch.ts";
import { type OvsPod, ovsNetwork, sharedOvsNode } from "../fixture/ovs-pods.ts";

const script = `
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /run
ip link set lo up
echo ready
exec sleep infinity
`;

const internal = ["--", "set", "Interface"] as const;
const machine = "172.16.10.9";
const foreignMac = "0a:00:00:00:00:99";

describe.skipIf(!hasOpenVswitch)("pods with a trunk on a bridge of podwire's", () => {
  const own = sharedOvsNode();
  const trunked = (ovs: object = {}) => ovsNetwork({ trunk: [10], ...ovs }, { name: "trunked" });
  const ipam = {
    type: "host-local",
    ranges: [[{ subnet: "10.245.1.0/24" }], [{ subnet: "fd00:10:245:1::/64" }]],
  };
  const plain = ovsNetwork({}, { name: "plain", ipam });

  interface Router {
    readonly pod: OvsPod;
    readonly inside: TestNode;
    readonly ovs: OpenVswitch;
  }

  /** A pod with an interface in VLAN 10 and one in VLAN 11. */
  async function router(name: string, config: object, host: number): Promise<Router> {
    const inside = await startNode(script);
    const pod = await own.pod(name, config, { netns: `/proc/${inside.pid}/ns/net` });
    const ovs = await startOpenVswitch(inside);
    const bridge = ["--", "set", "Bridge", "vlans", "datapath_type=netdev", "fail_mode=standalone"];
    await ovs.run(
      "ovs-vsctl",
      "--timeout=10",
      "add-br",
      "vlans",
      ...bridge,
      "--",
      "add-port",
      "vlans",
      "eth0",
    );
    for (const vlan of [10, 11]) {
      const port = ["add-port", "vlans", `v${vlan}`, `tag=${vlan}`];
      const mac = `mac="${pod.mac}"`;
      await ovs.run("ovs-vsctl", "--timeout=10", ...port, ...internal, `v${vlan}`, "type=internal", mac);
      await inside.run("ip", "address", "add", `172.16.${vlan}.${host}/24`, "dev", `v${vlan}`);
      await inside.run("ip", "address", "add", `fd00:16:${vlan}::${host}/64`, "dev", `v${vlan}`, "nodad");
      await inside.run("ip", "link", "set", `v${vlan}`, "up");
    }
    return { pod, inside, ovs };
  }

  async function stop(routers: readonly Router[], config: object): Promise<void> {
    for (const { pod, inside } of routers) {
      expect((await own.del(pod.name, config)).stdout).toBe("");
      await inside.stop();
    }
  }

  /** A wire behind podwire's bridge with a machine in each VLAN. */
  async function makeSegment(): Promise<void> {
    const vsctl = (...words: string[]) => own.ovs.run("ovs-vsctl", "--timeout=10", ...words);
    const type = `datapath_type=${datapathTypeHere()}`;
    await vsctl("add-br", "wire", "--", "set", "Bridge", "wire", type, "fail_mode=standalone");
    const patch = (bridge: string, name: string, peer: string) =>
      ["add-port", bridge, name, ...internal, name, "type=patch", `options:peer=${peer}`] as const;
    await vsctl(...patch("podwire0", "uplink0", "wire0"), "--", ...patch("wire", "wire0", "uplink0"));
    await own.node.addPod("segment");
    for (const vlan of [10, 11]) {
      await vsctl("add-port", "wire", `m${vlan}`, `tag=${vlan}`, ...internal, `m${vlan}`, "type=internal");
      await own.node.run("ip", "link", "set", `m${vlan}`, "netns", "segment");
      await own.node.runIn("segment", "ip", "address", "add", `172.16.${vlan}.9/24`, "dev", `m${vlan}`);
      await own.node.runIn(
        "segment",
        "ip",
        "address",
        "add",
        `fd00:16:${vlan}::9/64`,
        "dev",
        `m${vlan}`,
        "nodad",
      );
      await own.node.runIn("segment", "ip", "link", "set", `m${vlan}`, "up");
    }
  }

  const ping = (to: string, ...options: string[]) => ["-c", "2", "-i", "0.2", "-W", "2", ...options, to];

  let neighbour: OvsPod;
  beforeAll(async () => {
    neighbour = await own.pod("pod3", plain);
    await makeSegment();
  });
  afterAll(async () => void (await own.del("pod3", plain)));

  describe("with anti-spoofing", () => {
    const routers: Router[] = [];
    beforeAll(async () => {
      routers.push(await router("pod1", trunked(), 1), await router("pod2", trunked(), 2));
    });
    afterAll(() => stop(routers, trunked()));

    test("reach each other and the segment in its VLANs, both ways, and in no other", async () => {
      const [one, two] = routers as [Router, Router];
      for (const to of ["172.16.10.2", "fd00:16:10::2"]) await one.inside.run("ping", ...ping(to));
      for (const { inside } of [one, two])
        for (const to of [machine, "fd00:16:10::9"]) await inside.run("ping", ...ping(to));
      for (const to of ["172.16.10.1", "172.16.10.2", "fd00:16:10::1"])
        await own.node.runIn("segment", "ping", ...ping(to));
      expect((await one.inside.attempt("ping", ping("172.16.11.9"))).exitCode).not.toBe(0);
      expect((await one.inside.attempt("ping", ping("172.16.11.2"))).exitCode).not.toBe(0);
    });

    test("claim no address of a pod in a form that Linux reads and Open vSwitch does not", async () => {
      const port = await own.portOf("pod1");
      const { mac } = (routers[0] as Router).pod;
      const [ipv4, ipv6] = neighbour.addresses.map((address) => ({ mac, vlan: 10, address })) as [
        Claim,
        Claim,
      ];
      const frames = [arpClaim(ipv4, 1), arpClaim(ipv4, 6), advertisement(ipv6, 1), advertisement(ipv6, 2)];
      for (const frame of frames) {
        const trace = ["ofproto/trace", "podwire0", `in_port=${port}`, frame];
        expect(await own.ovs.run("ovs-appctl", ...trace)).toMatch(/Datapath actions: drop$/);
      }
    });

    test("get from the host what it tags, and the host gets what they tag", async () => {
      const trace = async (flow: string) =>
        (await own.ovs.run("ovs-appctl", "ofproto/trace", "podwire0", flow, "--names")).split("\n").at(-1);
      const { mac } = (routers[0] as Router).pod;
      const tagged = "dl_vlan=10,dl_vlan_pcp=0,dl_type=0x0800,dl_src=02:00:00:00:00:55";
      const port = await own.portOf("pod1");
      const inPod = datapathTypeHere() === "netdev" ? "eth0" : port;
      expect(await trace(`in_port=LOCAL,${tagged},dl_dst=${mac}`)).toMatch(
        new RegExp(`actions: .*(${port}|${inPod})`),
      );
      const fromPod = `in_port=${port},dl_vlan=10,dl_vlan_pcp=0,dl_type=0x0800,dl_src=${mac},dl_dst=ff:ff:ff:ff:ff:ff`;
      expect(await trace(fromPod)).toMatch(/podwire0/);
    });

    test("are found whole by CHECK, and keep their untagged traffic", async () => {
      for (const { pod, inside } of routers) {
        const call = { netns: `/proc/${inside.pid}/ns/net` };
        expect((await own.check(pod, trunked(), call)).stdout).toBe("");
        for (const to of pod.addresses) await own.node.run("ping", ...ping(to));
      }
    });
  });

  describe("are heard in it from", () => {
    const routers: Router[] = [];
    afterEach(async () => {
      await own.node.runIn("segment", "nft", "delete table netdev seen");
      await stop(routers.splice(0), trunked());
    });

    const claims = (): [string, string][] => [
      [
        "IPv4",
        `ip address add ${neighbour.addresses[0]}/32 dev v10; ping -c 2 -W 1 -I ${neighbour.addresses[0]} ${machine}`,
      ],
      ["ARP", `busybox arping -q -U -c 1 -w 1 -I v10 -s ${neighbour.addresses[0]} ${neighbour.addresses[0]}`],
      [
        "IPv6",
        `ip address add ${neighbour.addresses[1]}/128 dev v10 nodad; ping -c 2 -W 1 -I ${neighbour.addresses[1]} ff02::1%v10`,
      ],
      [
        "MAC",
        `ovs-vsctl --timeout=10 set Interface v10 'mac="${foreignMac}"'; busybox arping -q -c 1 -w 1 -I v10 ${machine}`,
      ],
    ];

    beforeEach(async () => {
      const rules = [
        "add table netdev seen",
        "add chain netdev seen in { type filter hook ingress device m10 priority 0; }",
        `add rule netdev seen in ip saddr ${neighbour.addresses[0]} counter comment "IPv4"`,
        `add rule netdev seen in arp saddr ip ${neighbour.addresses[0]} counter comment "ARP"`,
        `add rule netdev seen in ip6 saddr ${neighbour.addresses[1]} counter comment "IPv6"`,
        `add rule netdev seen in ether saddr ${foreignMac} counter comment "MAC"`,
      ];
      await own.node.runIn("segment", "nft", rules.join("; "));
    });

    /** Of what a pod claims to be, in the order of claims: what arrived. */
    async function heard(config: object): Promise<string[]> {
      const made = await router("pod1", config, 1);
      routers.push(made);
      for (const [, claim] of claims()) await made.inside.attempt("sh", ["-c", claim]);
      const listed = await own.node.runIn("segment", "nft", "list", "table", "netdev", "seen");
      return [...listed.matchAll(/counter packets ([0-9]+) .*comment "(.*)"/g)].flatMap(
        ([, packets, kind = ""]) => (packets === "0" ? [] : kind),
      );
    }

    test("no MAC but their own, and no address of another pod of the bridge", async () => {
      expect(await heard(trunked())).toEqual([]);
    });

    test("any, without anti-spoofing", async () => {
      expect(await heard(trunked({ antiSpoofing: false }))).toEqual(["IPv4", "ARP", "IPv6", "MAC"]);
    });
  });

  describe("leave its flows", () => {
    const inward = async () =>
      (await own.flows()).filter((flow) => /dl_vlan=10 actions=NORMAL/.test(flow) && !/in_port/.test(flow));

    test("to each other, and nobody with their last DEL", async () => {
      for (const name of ["pod4", "pod5"]) await own.pod(name, trunked());
      await own.del("pod4", trunked());
      expect(await inward()).toHaveLength(1);
      await own.del("pod5", trunked());
      expect(await inward()).toEqual([]);
    });

    test("to GC, where their record was lost", async () => {
      await own.pod("pod4", trunked());
      await own.node.run("sh", "-c", "rm -r /var/lib/podwire/trunked");
      expect((await own.gc([], trunked())).stdout).toBe("");
      expect((await own.gc([], trunked())).stdout).toBe("");
      expect(await inward()).toEqual([]);
    });
  });
});
