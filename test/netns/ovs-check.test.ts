// CHECK, `podwire apply` and GC against an Open vSwitch in which somebody changed one thing: it is noticed by name, made
// again, or taken away, and what others have there is not touched.
import { beforeAll, describe, expect, test } from "vitest";
import { expectFailure } from "../fixture/failure.ts";
import { executable, hostAddress } from "../fixture/node.ts";
import { hasOpenVswitch } from "../fixture/open-vswitch.ts";
import { type OvsPod, ovsNetwork, ovsNode, sharedOvsNode } from "../fixture/ovs-pods.ts";

interface Breakage {
  readonly what: string;
  /** PORT is the pod's port. */
  readonly script: string;
  readonly words: readonly (string | RegExp)[];
}

const ofctl = "ovs-ofctl -O OpenFlow13";

const breakages: Breakage[] = [
  { what: "a port that is gone", script: "ovs-vsctl del-port podwire0 PORT", words: ["port PORT"] },
  {
    what: "a port that Open vSwitch cannot open any more",
    script: "ovs-vsctl --timeout=10 set Interface PORT type=nonesuch",
    words: ["port PORT", /expected a working port, found .*(could not|unknown|cannot)/],
  },
  {
    what: "a port without its labels",
    script: "ovs-vsctl clear Interface PORT external_ids",
    words: ["port PORT", "external_ids:"],
  },
  {
    what: "a port of a VLAN that it was not given",
    script: "ovs-vsctl set Port PORT tag=7",
    words: ["port PORT", "expected tag none, found tag 7"],
  },
  {
    what: "a port with a trunk that it was not given",
    script: "ovs-vsctl set Port PORT trunks=7",
    words: ["port PORT", "expected trunks 4095, found trunks 7"],
  },
  {
    what: "a port of another VLAN mode",
    script: "ovs-vsctl clear Port PORT vlan_mode",
    words: ["port PORT", "expected vlan_mode trunk, found vlan_mode none"],
  },
  {
    what: "a port that takes part in the spanning tree",
    script: "ovs-vsctl remove Port PORT other_config stp-enable",
    words: ["port PORT", "expected other_config:stp-enable=false, found none"],
  },
  {
    what: "a port with a limit that it was not given",
    script: "ovs-vsctl set Interface PORT ingress_policing_rate=1000 ingress_policing_burst=100",
    words: ["port PORT", "expected ingress rate 0, found ingress rate 1000"],
  },
  {
    what: "a port whose limit has another burst",
    script: "ovs-vsctl set Interface PORT ingress_policing_burst=1",
    words: ["port PORT", "expected ingress burst 0, found ingress burst 1"],
  },
  { what: "the flows of all pods gone", script: `${ofctl} del-flows podwire0`, words: ["flows 0x7077"] },
  {
    what: "the flow that all pods share gone",
    script: `${ofctl} del-flows podwire0 cookie=0x7077000000000000/-1`,
    words: ["flows 0x7077000000000000"],
  },
  { what: "the local port down", script: "ip link set podwire0 down", words: ["podwire0"] },
  {
    what: "the local port's gateway address gone",
    script: "ip address delete 169.254.1.1/32 dev podwire0",
    words: ["169.254.1.1"],
  },
  {
    what: "the host's route gone",
    script: "ip route delete 10.244.1.2 dev podwire0",
    words: ["route 10.244.1.2"],
  },
  {
    what: "the host's IPv6 route gone",
    script: "ip -6 route delete fd00:10:244:1::2 dev podwire0",
    words: ["route fd00:10:244:1::2"],
  },
  {
    what: "the host's neighbour gone",
    script: "ip neighbour delete 10.244.1.2 dev podwire0",
    words: ["neighbour 10.244.1.2"],
  },
  {
    what: "forwarding of the local port off",
    script: "echo 0 > /proc/sys/net/ipv4/conf/podwire0/forwarding",
    words: ["forwarding"],
  },
  { what: "the whole bridge gone", script: "ovs-vsctl del-br podwire0", words: ["podwire0"] },
];

describe.skipIf(!hasOpenVswitch)("with one thing changed behind its back, podwire", () => {
  const own = sharedOvsNode();
  const config = ovsNetwork(
    {},
    { runtimeConfig: { ips: ["10.244.1.2", "fd00:10:244:1::2"] }, capabilities: { ips: true } },
  );
  let pod: OvsPod;
  let port: string;
  beforeAll(async () => {
    pod = await own.pod("pod1", config);
    port = await own.portOf("pod1");
  });

  test.each(breakages)("notices $what, and makes it again", async ({ script, words }) => {
    await own.node.run("sh", "-ec", script.replaceAll("PORT", port));
    expectFailure(
      await own.check(pod, config),
      104,
      ...words.map((word) => (typeof word === "string" ? word.replace("PORT", port) : word)),
    );
    const shown = await own.node.attempt(executable, ["status"]);
    expect(shown.exitCode, shown.stdout).toBe(1);
    const { exitCode, stdout } = await own.apply();
    expect(exitCode, stdout).toBe(0);
    expect((await own.check(pod, config)).stdout).toBe("");
    for (const to of pod.addresses) await own.node.run("ping", "-c", "1", "-W", "3", to);
    await own.node.runIn("pod1", "ping", "-c", "1", "-W", "3", hostAddress);
    expect((await own.node.attempt(executable, ["status"])).exitCode).toBe(0);
  });
});

describe.skipIf(!hasOpenVswitch)("GC", () => {
  const own = ovsNode();

  test("takes away port, link and flows of a pod whose record was lost, and leaves the others'", async () => {
    const kept = await own.pod("pod1");
    await own.pod("pod2");
    const mac = (await own.pod("pod3")).mac;
    await own.node.run("sh", "-c", "rm /var/lib/podwire/podnet/pod3:eth0.json");
    expect((await own.gc(["pod1", "pod2"])).stdout).toBe("");
    expect(await own.ports()).toHaveLength(2);
    expect((await own.flows()).join("\n")).not.toContain(mac);
    expect((await own.check(kept)).stdout).toBe("");
  });

  test("takes all away when all records were lost", async () => {
    for (const name of ["pod1", "pod2"]) await own.pod(name);
    await own.node.run("sh", "-c", "rm -r /var/lib/podwire/podnet");
    expect((await own.gc([])).stdout).toBe("");
    await own.expectNothingLeft();
  });

  test("by hand does so for pods that are gone, with their netns or without a record", async () => {
    await own.pod("pod1");
    await own.pod("pod2");
    await own.node.run("ip", "netns", "delete", "pod2");
    const { exitCode, stdout } = await own.node.attempt(executable, ["gc"]);
    expect(exitCode, stdout).toBe(0);
    expect(stdout).toMatch(/pod2/);
    expect(await own.ports()).toHaveLength(1);
    await own.del("pod1");
    await own.expectNothingLeft();
  });

  test("takes away a stray flow of podwire's, and no flow and no port of others", async () => {
    const pod = await own.pod("pod1");
    const add = (flow: string) => own.ovs.run("ovs-ofctl", "-O", "OpenFlow13", "add-flow", "podwire0", flow);
    await add("cookie=0x7077abcdefabcdef,table=241,priority=90,ip,nw_dst=10.9.9.9,actions=drop");
    await add("cookie=0x7078000000000000,table=0,priority=90,ip,nw_dst=10.8.8.8,actions=drop");
    await add("table=0,priority=91,ip,nw_dst=10.7.7.7,actions=drop");
    const theirs =
      "add-port podwire0 pwtheirs -- set Interface pwtheirs type=internal external_ids:container-id=theirs";
    await own.ovs.run("ovs-vsctl", ...theirs.split(" "));
    expect((await own.gc(["pod1"])).stdout).toBe("");
    const flows = (await own.flows()).join("\n");
    expect(flows).not.toContain("10.9.9.9");
    expect(flows).toContain("10.8.8.8");
    expect(flows).toContain("10.7.7.7");
    expect(await own.ports()).toContain("pwtheirs");
    expect((await own.check(pod)).stdout).toBe("");
  });

  test("succeeds beside bridges of others that cannot be asked, and goes on with the rest", async () => {
    const vsctl = (...words: string[]) => own.ovs.run("ovs-vsctl", "--timeout=10", ...words);
    const old = ["set", "Bridge", "br-old", `datapath_type=${own.ovs.datapathType}`, "protocols=OpenFlow10"];
    await vsctl("add-br", "br-old", "--", ...old);
    // No datapath of that type can be opened.
    await vsctl(
      "--no-wait",
      "add-br",
      "a-broken",
      "--",
      "set",
      "Bridge",
      "a-broken",
      "datapath_type=nonesuch",
    );
    const pod = await own.pod("pod1");
    const stray = "cookie=0x7077abcdefabcdef,table=241,priority=90,ip,nw_dst=10.9.9.9,actions=drop";
    await own.ovs.run("ovs-ofctl", "-O", "OpenFlow13", "add-flow", "podwire0", stray);
    expect((await own.gc(["pod1"])).stdout).toBe("");
    expect((await own.flows()).join("\n")).not.toContain("10.9.9.9");
    expect((await own.check(pod)).stdout).toBe("");
  });

  test("says so of a bridge that podwire's pods are on", async () => {
    await own.pod("pod1");
    await own.ovs.run("ovs-vsctl", "set", "Bridge", "podwire0", "protocols=OpenFlow10");
    expectFailure(await own.gc(["pod1"]), 105, "podwire0");
  });

  test("of another network leaves pods of this one alone", async () => {
    const pod = await own.pod("pod1");
    expect((await own.gc([], ovsNetwork({}, { name: "othernet" }))).stdout).toBe("");
    expect((await own.check(pod)).stdout).toBe("");
  });
});
