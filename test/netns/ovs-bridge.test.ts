// The bridge that podwire makes, and the one of somebody else that it is told to use: of that, nothing but podwire's own
// ports and flows may ever change.
import { describe, expect, test } from "vitest";
import { cni } from "../fixture/calls.ts";
import { expectFailure } from "../fixture/failure.ts";
import { executable, hostAddress, hostAddress6 } from "../fixture/node.ts";
import { datapathTypeHere, hasOpenVswitch } from "../fixture/open-vswitch.ts";
import { type OvsPod, ovsNetwork, ovsNode } from "../fixture/ovs-pods.ts";
import { locate, podwireWith } from "../fixture/programs.ts";
import { eventually, watch } from "../overlay/watching.ts";

const dump = ["dump-flows", "br-other"];
const settings =
  "--columns=datapath_type,fail_mode,external_ids,other_config,controller,mirrors,netflow,protocols,stp_enable";

describe.skipIf(!hasOpenVswitch)("podwire's own bridge", () => {
  const own = ovsNode();

  test("is made by the first pod and goes with the last one", async () => {
    expect(await own.bridges()).toEqual([]);
    await own.pod("pod1");
    await own.pod("pod2");
    expect(await own.bridges()).toEqual(["podwire0"]);
    expect(await own.ports()).toHaveLength(2);
    await own.del("pod1");
    expect(await own.bridges()).toEqual(["podwire0"]);
    expect(await own.flows()).not.toEqual([]);
    await own.del("pod2");
    await own.expectNothingLeft();
  });

  test("drops what no flow takes and gives every pod's flows a cookie of podwire's", async () => {
    await own.pod("pod1");
    expect(await own.get("Bridge", "podwire0", "fail_mode")).toBe("secure");
    const cookies = (await own.flows()).map((flow) => /cookie=(0x[0-9a-f]+)/.exec(flow)?.[1] ?? flow);
    for (const cookie of cookies) expect(cookie).toMatch(/^0x7077[0-9a-f]{12}$/);
    expect((await own.flows()).join("\n")).not.toMatch(/NORMAL|FLOOD|ALL|ct\(|nat/);
  });

  test("that somebody gave another MAC has it in the flows of each pod that comes after", async () => {
    // As on a node, where links' MACs are read from there.
    await own.node.run("mount", "-t", "sysfs", "none", "/sys");
    const pods = [await own.pod("pod1")];
    await own.ovs.run("ovs-vsctl", "set", "Bridge", "podwire0", 'other_config:hwaddr="02:00:00:00:00:79"');
    for (const name of ["pod2", "pod3"]) pods.push(await own.pod(name));
    for (const pod of pods) {
      await own.node.runIn(pod.name, "ping", "-c", "1", "-W", "3", hostAddress);
      expect((await own.check(pod)).stdout).toBe("");
      await own.del(pod.name);
    }
  });

  test("whose link gets another MTU for a while leaves the host's routes as they were", async () => {
    const pod = await own.pod("pod1");
    for (const mtu of ["1400", "65000"]) await own.node.run("ip", "link", "set", "podwire0", "mtu", mtu);
    expect((await own.check(pod)).stdout).toBe("");
  });

  test("to which somebody gave another fail_mode keeps the flows of its pods when podwire apply comes", async () => {
    await own.pod("pod1");
    // Open vSwitch itself drops all flows whenever this changes.
    await own.ovs.run("ovs-vsctl", "set", "Bridge", "podwire0", "fail_mode=standalone");
    const [two, three] = [await own.pod("pod2"), await own.pod("pod3")];
    const repaired = await own.apply();
    expect(repaired.exitCode, repaired.stdout).toBe(0);
    for (const to of three.addresses) await own.node.runIn("pod2", "ping", "-c", "1", "-W", "3", to);
    for (const pod of [two, three]) expect((await own.check(pod)).stdout).toBe("");
  });

  test("that others have made anew since has their settings", async () => {
    const pod = await own.pod("pod1");
    const theirs = [
      "--",
      "set",
      "Bridge",
      "podwire0",
      `datapath_type=${datapathTypeHere()}`,
      "fail_mode=standalone",
    ];
    await own.ovs.run("ovs-vsctl", "del-br", "podwire0", "--", "add-br", "podwire0", ...theirs);
    const repaired = await own.apply();
    expect(repaired.exitCode, repaired.stdout).toBe(0);
    expect((await own.check(pod)).stdout).toBe("");
    expect(await own.get("Bridge", "podwire0", "fail_mode")).toBe("standalone");
    expect(await own.get("Interface", "podwire0", "mtu_request")).toBe("[]");
  });

  test("that lost its last pod to GC goes too", async () => {
    await own.pod("pod1");
    expect((await own.gc([])).exitCode).toBe(0);
    await own.expectNothingLeft();
  });

  test("stays, with all in it, when somebody else put a port on it, until that is gone", async () => {
    await own.pod("pod1");
    await own.ovs.run(
      "ovs-vsctl",
      "add-port",
      "podwire0",
      "theirs",
      "--",
      "set",
      "Interface",
      "theirs",
      "type=internal",
    );
    await own.del("pod1");
    expect(await own.ports()).toEqual(["theirs"]);
    expect((await own.gc([])).stdout).toBe("");
    expect(await own.ports()).toEqual(["theirs"]);
    await own.ovs.run("ovs-vsctl", "del-port", "podwire0", "theirs");
    expect((await own.gc([])).stdout).toBe("");
    await own.expectNothingLeft();
  });
});

describe.skipIf(!hasOpenVswitch)("a pod whose record is lost, on a bridge with others", () => {
  const own = ovsNode();
  const traces = () =>
    own.node.run(
      "sh",
      "-c",
      "ip route show dev podwire0 proto 119; ip -6 route show dev podwire0 proto 119; ip neighbour show dev podwire0 nud permanent",
    );

  const vanish = ({ name, addresses }: OvsPod) => {
    const leases = addresses.map((address) => `/var/lib/cni/networks/podnet/${address}`);
    return own.node.run("sh", "-ec", `ip netns delete ${name}; rm ${leases.join(" ")}`);
  };

  test.each([
    ["DEL, by its lease", async () => own.del("pod1")],
    [
      "GC, without a lease too",
      async (pod: OvsPod) => {
        await vanish(pod);
        return own.gc(["pod2"]);
      },
    ],
    [
      "podwire gc, once its port is gone too",
      async (pod: OvsPod) => {
        await own.ovs.run("ovs-vsctl", "del-port", await own.portOf("pod1"));
        await vanish(pod);
        const { exitCode, stderr } = await own.node.attempt(executable, ["gc"]);
        return { exitCode, stdout: stderr };
      },
    ],
  ])("leaves nothing after %s", async (_what, remove) => {
    const [one, two] = [await own.pod("pod1"), await own.pod("pod2")];
    await own.node.run("rm", "/var/lib/podwire/podnet/pod1:eth0.json");
    const answer = await remove(one);
    expect({ exitCode: answer.exitCode, stdout: answer.stdout }).toEqual({ exitCode: 0, stdout: "" });
    for (const address of one.addresses) expect(await traces()).not.toContain(`${address} `);
    for (const address of two.addresses) expect(await traces()).toContain(`${address} `);
    expect((await own.check(two)).stdout).toBe("");
  });
});

describe.skipIf(!hasOpenVswitch)("somebody else's bridge", () => {
  const own = ovsNode();
  const config = ovsNetwork({ bridge: "br-other" });
  const other = `datapath_type=${datapathTypeHere()}`;

  /** With whatever a bridge can have; a port of it is in a netns of its own, like a machine on the segment. */
  async function makeOther(): Promise<void> {
    const vsctl = (...words: string[]) => own.ovs.run("ovs-vsctl", "--timeout=10", ...words);
    await vsctl(
      "add-br",
      "br-other",
      "--",
      "set",
      "Bridge",
      "br-other",
      other,
      "fail_mode=standalone",
      "external_ids:made-by=them",
      "other_config:mac-aging-time=77",
      "other_config:hwaddr=02:00:00:00:00:77",
      "protocols=OpenFlow10,OpenFlow13",
    );
    await vsctl(
      "add-port",
      "br-other",
      "theirs",
      "--",
      "set",
      "Interface",
      "theirs",
      "type=internal",
      "external_ids:x=y",
    );
    await own.ovs.run("ovs-ofctl", "add-flow", "br-other", "cookie=0x1234,priority=5,actions=NORMAL");
    await own.ovs.run(
      "ovs-ofctl",
      "add-flow",
      "br-other",
      "cookie=0x707,table=241,priority=7,ip,nw_dst=10.9.9.9,actions=drop",
    );
    await own.node.addPod("segment");
    // The node forwards already, which is its own setting, and takes router advertisements all the same.
    const script = `ip link set theirs netns segment; ip -n segment address add 198.51.100.9/24 dev theirs;
      ip -n segment link set theirs up; ip address add 198.51.100.1/24 dev br-other
      ip address add 169.254.169.254/32 dev br-other
      echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding
      echo 1 > /proc/sys/net/ipv6/conf/br-other/accept_ra; echo 0 > /proc/sys/net/ipv6/conf/br-other/accept_dad
      ip address add 2001:db8:51::1/64 dev br-other nodad; ip link set br-other up
      ip route add 169.254.169.253/32 dev br-other`;
    await own.node.run("sh", "-ec", script);
  }

  /** All of it that is not podwire's. */
  async function stateOfOther(): Promise<string> {
    const flows = (await own.ovs.run("ovs-ofctl", "--no-stats", ...dump))
      .split("\n")
      .filter((line) => !/cookie=0x7077/.test(line));
    const bridge = await own.ovs.run("ovs-vsctl", settings, "list", "Bridge", "br-other");
    const ports = await own.ovs.run("ovs-vsctl", "list", "Port", "theirs", "br-other");
    const interfaces = await own.ovs.run(
      "ovs-vsctl",
      "--columns=name,type,external_ids,mac,mtu_request,options,ofport,ingress_policing_rate",
      "list",
      "Interface",
      "theirs",
      "br-other",
    );
    const groups = await own.ovs.run("ovs-ofctl", "-O", "OpenFlow13", "dump-groups", "br-other");
    const link = await own.node.run(
      "sh",
      "-c",
      `ip -o -d link show br-other; ip -o address show br-other; ip route show dev br-other | grep -v '^10.244'
      ip -6 route show dev br-other | grep -v '^fd00:10:244'
      grep -rs . /proc/sys/net/ipv?/conf/br-other | sort`,
    );
    return [flows.join("\n"), bridge, ports, interfaces, groups.replaceAll(/xid=\S+/g, ""), link].join("\n");
  }

  test("is used and left as it was by ADD, CHECK, DEL and GC", async () => {
    await makeOther();
    const before = await stateOfOther();
    const pods = [await own.pod("pod1", config), await own.pod("pod2", config)] as const;
    expect(await stateOfOther(), "after ADD").toBe(before);
    expect((await own.check(pods[0], config)).stdout).toBe("");
    for (const to of [...pods[1].addresses, hostAddress, hostAddress6]) {
      await own.node.runIn("pod1", "ping", "-c", "1", "-W", "3", to);
    }
    for (const to of pods[0].addresses) await own.node.run("ping", "-c", "1", "-W", "3", to);
    await own.node.run("ping", "-c", "1", "-W", "3", "198.51.100.9");
    expect((await own.gc(["pod1"], config)).exitCode).toBe(0);
    expect(await stateOfOther(), "after GC").toBe(before);
    expect((await own.del("pod1", config)).exitCode).toBe(0);
    expect(await stateOfOther(), "after DEL").toBe(before);
    expect(await own.bridges()).toEqual(["br-other"]);
    expect(await own.ports("br-other")).toEqual(["theirs"]);
    expect((await own.flows("br-other")).filter((flow) => /cookie=0x7077/.test(flow))).toEqual([]);
    expect((await own.gc([], config)).exitCode).toBe(0);
    expect(await stateOfOther(), "after the last GC").toBe(before);
    await own.node.run("ping", "-c", "1", "-W", "3", "198.51.100.9");
  });

  test("with a local port of another MAC is the gateway of its pods all the same", async () => {
    await makeOther();
    const pod1 = await own.pod("pod1", config);
    expect(await own.node.run("ip", "-o", "link", "show", "br-other")).toContain("02:00:00:00:00:77");
    expect((await own.check(pod1, config)).stdout).toBe("");
    const reaches = (to: string) => own.node.runIn("pod1", "ping", "-c", "1", "-W", "3", to);
    // By IPv6 a pod knows it by its permanent entry only.
    for (const to of [hostAddress, hostAddress6]) await reaches(to);
    await own.node.runIn("pod1", "ip", "neighbour", "flush", "all", "nud", "permanent");
    await reaches(hostAddress);
    expect(await own.node.runIn("pod1", "ip", "neighbour")).toContain(
      "169.254.1.1 dev eth0 lladdr ee:70:77:00:00:01 ",
    );
  });

  test.each([
    ["podwire apply", async () => expect((await own.apply()).exitCode).toBe(0)],
    ["an ADD of another pod", async () => void (await own.pod("pod2", config))],
  ])("that gets another MAC is noticed by CHECK, and its pods are mended by %s", async (_what, mend) => {
    await makeOther();
    const pod1 = await own.pod("pod1", config);
    const mac = "02:00:00:00:00:78";
    await own.ovs.run("ovs-vsctl", "set", "Bridge", "br-other", `other_config:hwaddr="${mac}"`);
    expect((await own.check(pod1, config)).json).toMatchObject({
      code: 104,
      details: expect.stringContaining(mac),
    });
    const pings = ["ping", "-c", "1", "-W", "3", hostAddress] as const;
    await expect(own.node.runIn("pod1", ...pings)).rejects.toThrow();
    await mend();
    await own.node.runIn("pod1", ...pings);
    expect((await own.check(pod1, config)).stdout).toBe("");
    expect(await own.node.run("ip", "-o", "link", "show", "br-other")).toContain(mac);
  });

  test("that gets another MAC while a pod is added has that one whole too", async () => {
    await makeOther();
    // As on a node, where links' MACs are read from there.
    await own.node.run("mount", "-t", "sysfs", "none", "/sys");
    const pod1 = await own.pod("pod1", config);
    const change = `${locate("ovs-vsctl")} set Bridge br-other other_config:hwaddr='"02:00:00:00:00:78"'`;
    const flows = `case "$*" in *add-flows*) mkdir /run/changed 2> /dev/null && ${change};; esac`;
    const plugin = podwireWith(own.node, { "ovs-ofctl": `${flows}; exec ${locate("ovs-ofctl")} "$@"` });
    const pod2 = await own.pod("pod2", config, { plugin });
    for (const pod of [pod1, pod2]) {
      await own.node.runIn(pod.name, "ping", "-c", "1", "-W", "3", hostAddress);
      expect((await own.check(pod, config)).stdout).toBe("");
    }
  });

  test("that its owner made anew in one go gets its pods back by the next ADD", async () => {
    await makeOther();
    const pods = [await own.pod("pod1", config), await own.pod("pod2", config)];
    const again = ["--", "add-br", "br-other", "--", "set", "Bridge", "br-other", other];
    await own.ovs.run("ovs-vsctl", "del-br", "br-other", ...again, "other_config:hwaddr=02:00:00:00:00:77");
    await own.pod("pod3", config);
    for (const pod of pods) {
      await own.node.run("ping", "-c", "1", "-W", "3", pod.addresses[0]);
      expect((await own.check(pod, config)).stdout).toBe("");
    }
  });

  test("with a single pod is looked after by podwire apply --watch when ovs-vswitchd is started again", async () => {
    await makeOther();
    const pod1 = await own.pod("pod1", config);
    const watching = await watch(own.node);
    try {
      await own.ovs.end("ovs-vswitchd", "SIGKILL");
      await own.ovs.begin("ovs-vswitchd");
      await eventually(() => own.node.run("ping", "-c", "1", "-W", "3", pod1.addresses[0]));
    } finally {
      await watching.stop();
    }
  });

  test("that is gone is not made again for its pods, which its owner's next one gets back", async () => {
    await makeOther();
    const pod1 = await own.pod("pod1", config);
    await own.node.run("sh", "-c", "echo '{' > /var/lib/podwire/podnet/torn:eth0.json");
    await own.ovs.run("ovs-vsctl", "del-br", "br-other");
    await own.node.run("sh", "-c", "echo 0 > /proc/sys/net/ipv4/ip_forward");
    const applied = await own.apply();
    expect(applied.exitCode).toBe(1);
    expect(applied.stdout).toContain("bridge br-other is gone");
    // An internal port went with the bridge, and what stands on it cannot be mended.
    const forwarding = await own.node.run("cat", "/proc/sys/net/ipv4/ip_forward");
    expect(forwarding.trim()).toBe(datapathTypeHere() === "netdev" ? "0" : "1");
    await own.node.addPod("pod2");
    for (const [verb, code] of [
      ["ADD", 107],
      ["STATUS", 50],
    ] as const) {
      expectFailure(
        await cni(own.node, { verb, config, container: "pod2" }),
        code,
        "bridge br-other is gone",
      );
    }
    expect(await own.bridges()).toEqual([]);
    await own.ovs.run("ovs-vsctl", "add-br", "br-other", "--", "set", "Bridge", "br-other", other);
    await own.pod("pod2", config);
    expect(await own.get("Bridge", "br-other", "fail_mode")).toBe("[]");
    await own.node.runIn("pod1", "ping", "-c", "1", "-W", "3", hostAddress);
    expect((await own.check(pod1, config)).stdout).toBe("");
  });

  const count = (device: string, match = "") =>
    [
      "sh",
      "-ec",
      `nft add table netdev seen; nft 'add chain netdev seen in { type filter hook ingress device ${device} priority 0; }'; nft add rule netdev seen in ${match} counter`,
    ] as const;

  test("that podwire's flows are gone from is no segment of its pods", async () => {
    await makeOther();
    const { mac } = await own.pod("pod1", config);
    await own.pod("pod2", config);
    await own.ovs.run(
      "ovs-ofctl",
      "-O",
      "OpenFlow13",
      "del-flows",
      "br-other",
      "cookie=0x7077000000000000/0xffff000000000000",
    );
    // The host speaks on this segment too.
    for (const [place, device] of [
      ["pod2", "eth0"],
      ["segment", "theirs"],
    ] as const)
      await own.node.runIn(place, ...count(device, `ether saddr ${mac}`));
    await own.node.runIn(
      "pod1",
      "sh",
      "-c",
      "ip neighbour flush all nud permanent; busybox arping -q -c 1 -w 1 -I eth0 198.51.100.9; true",
    );
    for (const place of ["pod2", "segment"])
      expect(await own.node.runIn(place, "nft", "list", "table", "netdev", "seen")).toContain("packets 0 ");
  });

  test("hands pods nothing of the VLAN that no frame can be in", async () => {
    await makeOther();
    await own.pod("pod1", config);
    const frame =
      "in_port=theirs,dl_vlan=4095,dl_src=02:00:00:00:00:01,dl_dst=ff:ff:ff:ff:ff:ff,dl_type=0x0800";
    expect(await own.ovs.run("ovs-appctl", "ofproto/trace", "br-other", frame)).toMatch(
      /Datapath actions: drop$/,
    );
  });

  test("floods nothing of its segment to pods, and pods nothing to its segment", async () => {
    await makeOther();
    await own.pod("pod1", config);
    await own.node.runIn("pod1", ...count("eth0"));
    await own.node.runIn("segment", ...count("theirs"));
    // Asks the whole segment for somebody who is not there.
    await own.node.attempt("ping", ["-c", "1", "-W", "1", "198.51.100.77"]);
    const arping =
      "busybox arping -q -c 1 -w 1 -I theirs 198.51.100.77; ping -c 1 -W 1 -b 198.51.100.255; true";
    await own.node.runIn("segment", "sh", "-c", arping);
    expect(await own.node.runIn("pod1", "nft", "list", "table", "netdev", "seen")).toContain("packets 0 ");
    await own.node.runIn("segment", "nft", "flush", "table", "netdev", "seen");
    await own.node.runIn("segment", "sh", "-c", "nft add rule netdev seen in counter");
    await own.node.runIn(
      "pod1",
      "sh",
      "-c",
      "busybox arping -q -c 1 -w 1 -I eth0 169.254.1.1; ping -c 1 -W 1 10.244.1.200; true",
    );
    expect(await own.node.runIn("segment", "nft", "list", "table", "netdev", "seen")).toContain("packets 0 ");
  });

  test("of another datapathType is refused", async () => {
    const wanted = datapathTypeHere() === "netdev" ? "system" : "netdev";
    await makeOther();
    await own.node.addPod("pod1");
    await expect(own.pod("pod1", ovsNetwork({ bridge: "br-other", datapathType: wanted }))).rejects.toThrow(
      /datapath_type|datapathType/,
    );
  });
});
