// Permanent neighbour entries are a convenience: without them the bridge's flows answer ARP and neighbour discovery, to
// pods and to the host, and nobody else hears the question.
import { beforeAll, describe, expect, test } from "vitest";
import { hostAddress, hostAddress6 } from "../fixture/node.ts";
import { hasOpenVswitch } from "../fixture/open-vswitch.ts";
import { type OvsPod, sharedOvsNode } from "../fixture/ovs-pods.ts";
import { eventually } from "../overlay/watching.ts";

const gatewayMac = "ee:70:77:00:00:01";

describe.skipIf(!hasOpenVswitch)("neighbours on an Open vSwitch bridge", () => {
  const own = sharedOvsNode();
  let pod1: OvsPod;
  let pod2: OvsPod;
  beforeAll(async () => {
    pod1 = await own.pod("pod1");
    pod2 = await own.pod("pod2");
  });

  const ping = (to: string) => ["ping", "-c", "2", "-i", "0.2", "-W", "3", to] as const;

  test.each([
    ["IPv4", "169.254.1.1", 0, hostAddress],
    ["IPv6", "fe80::1", 1, hostAddress6],
  ] as const)("a pod that forgot its gateway finds it again by %s", async (_, gateway, family, host) => {
    await own.node.runIn("pod1", "ip", "neighbour", "delete", gateway, "dev", "eth0");
    await own.node.runIn("pod1", ...ping(host));
    await own.node.runIn("pod1", ...ping(pod2.addresses[family]));
    const entry = await own.node.runIn("pod1", "ip", "neighbour", "show", gateway, "dev", "eth0");
    expect(entry).toMatch(new RegExp(`lladdr ${gatewayMac}.* (REACHABLE|DELAY|STALE|PROBE)`));
  });

  test.each([
    ["IPv4", 0],
    ["IPv6", 1],
  ] as const)("the host that forgot a pod finds it again by %s", async (_, family) => {
    const address = pod1.addresses[family];
    await own.node.run("ip", "neighbour", "delete", address, "dev", "podwire0");
    await own.node.run(...ping(address));
    const entry = await own.node.run("ip", "neighbour", "show", address, "dev", "podwire0");
    expect(entry).toMatch(new RegExp(`lladdr ${pod1.mac}.* (REACHABLE|DELAY|STALE|PROBE)`));
  });

  test("a pod that forgot everything is asked for by its neighbours all the same", async () => {
    await own.node.runIn("pod2", "ip", "neighbour", "flush", "all", "nud", "permanent");
    for (const family of [0, 1] as const) await own.node.runIn("pod1", ...ping(pod2.addresses[family]));
    for (const to of [hostAddress, hostAddress6]) await own.node.runIn("pod2", ...ping(to));
  });

  test("entries that ran out are confirmed before packets are lost", async () => {
    const stale = (at: string, to: string, mac: string) =>
      `ip neighbour replace ${to} dev ${at} lladdr ${mac} nud stale`;
    await own.node.runIn(
      "pod1",
      "sh",
      "-ec",
      `${stale("eth0", "169.254.1.1", gatewayMac)}; ${stale("eth0", "fe80::1", gatewayMac)}`,
    );
    // Seconds from the first use of a stale entry to the question.
    const hurry = "for f in 4 6; do echo 1 > /proc/sys/net/ipv$f/neigh/eth0/delay_first_probe_time; done";
    await own.node.runIn("pod1", "sh", "-ec", hurry);
    for (const to of [hostAddress, hostAddress6])
      await own.node.runIn("pod1", "ping", "-c", "8", "-i", "0.4", "-W", "2", to);
    const entries = await own.node.runIn("pod1", "ip", "neighbour", "show", "dev", "eth0");
    expect(entries).not.toMatch(/FAILED|INCOMPLETE/);
  });

  test("the host that doubts where a pod is gets an answer to its probe, which asks the pod alone", async () => {
    const [, address] = pod1.addresses;
    const entry = [address, "dev", "podwire0"];
    await own.node.run("ip", "neighbour", "replace", ...entry, "lladdr", pod1.mac, "nud", "probe");
    await eventually(async () =>
      expect(await own.node.run("ip", "neighbour", "show", ...entry)).toContain("REACHABLE"),
    );
  });

  test("a pod is told nothing of addresses that are not its gateway's", async () => {
    const { stdout } = await own.node.attempt("nsenter", [
      "--net=/run/netns/pod1",
      "busybox",
      "arping",
      "-c",
      "2",
      "-w",
      "2",
      "-I",
      "eth0",
      pod2.addresses[0],
    ]);
    expect(stdout).toContain("Received 0 re");
  });

  test("a pod that looks for others with its address finds none", async () => {
    const [address] = pod1.addresses;
    const { exitCode, stdout } = await own.node.attempt("nsenter", [
      "--net=/run/netns/pod1",
      "busybox",
      "arping",
      "-D",
      "-c",
      "2",
      "-w",
      "2",
      "-I",
      "eth0",
      address,
    ]);
    expect(stdout).toContain("Received 0 re");
    expect(exitCode).toBe(0);
  });

  test("none of it reaches other pods", async () => {
    const counted =
      "nft add table netdev seen; nft 'add chain netdev seen in { type filter hook ingress device eth0 priority 0; }'; " +
      "nft add rule netdev seen in ether type arp counter; nft add rule netdev seen in icmpv6 type { 133, 134, 135, 136 } counter";
    await own.node.runIn("pod2", "sh", "-ec", counted);
    await own.node.runIn("pod1", "sh", "-c", "ip neighbour flush all nud permanent; ip neighbour flush all");
    for (const to of [hostAddress, hostAddress6]) await own.node.runIn("pod1", ...ping(to));
    const seen = await own.node.runIn("pod2", "nft", "list", "table", "netdev", "seen");
    expect(seen.match(/counter packets 0 /g)).toHaveLength(2);
  });
});
