// What a pod may send: from its own MAC and addresses, or nothing. The packets are made by the pod's kernel, which is
// given foreign addresses, and counted where they would arrive: on the bridge's local port and in another pod.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { hostAddress, hostAddress6 } from "../fixture/node.ts";
import { hasOpenVswitch } from "../fixture/open-vswitch.ts";
import { type OvsPod, ovsNetwork, sharedOvsNode } from "../fixture/ovs-pods.ts";

const foreignMac = "0a:00:00:00:00:99";
const foreign = ["10.244.1.99", "fd00:10:244:1::99"] as const;

const inPod = "nsenter --net=/run/netns/pod1 --";
const ping = (from: string, to: string) =>
  `${inPod} ping -c 2 -i 0.2 -W 1 -I ${from} ${to} > /dev/null 2>&1 || true`;
const withAddress = (address: string, work: string) =>
  `${inPod} ip address add ${address} dev eth0 nodad; ${work}; ${inPod} ip address delete ${address} dev eth0`;
/** The kernel forgets permanent neighbours when a MAC changes, and asks again from the new one. */
const withMac = (mac: string, work: string) =>
  `${inPod} ip link set eth0 address ${foreignMac}; ${work}; ${inPod} ip link set eth0 address ${mac}`;
const arping = (options: string) => `${inPod} busybox arping -q -c 1 -w 1 -I eth0 ${options} || true`;

describe.skipIf(!hasOpenVswitch)("a pod of an Open vSwitch bridge", () => {
  const own = sharedOvsNode();
  let pods: Record<"pod1" | "pod2", OvsPod>;

  /** Packets of any kind that come to the host or to pod2 and are not from pod1's own MAC and addresses. */
  async function watch(): Promise<void> {
    const rules = (device: string) =>
      [
        "nft 'add table netdev seen'",
        `nft 'add chain netdev seen in { type filter hook ingress device ${device} priority 0; }'`,
        `nft 'add rule netdev seen in ether saddr ${foreignMac} counter comment "mac"'`,
        `nft 'add rule netdev seen in ip saddr ${foreign[0]} counter comment "ipv4"'`,
        `nft 'add rule netdev seen in ip6 saddr ${foreign[1]} counter comment "ipv6"'`,
        `nft 'add rule netdev seen in arp saddr ip { ${foreign[0]}, ${pods.pod1.addresses[0]} } counter comment "arp"'`,
        `nft 'add rule netdev seen in icmpv6 type nd-neighbor-advert counter comment "nd"'`,
      ].join("; ");
    await own.node.run("sh", "-ec", rules("podwire0"));
    await own.node.runIn("pod2", "sh", "-ec", rules("eth0"));
  }
  async function unwatch(): Promise<void> {
    await own.node.attempt("nft", ["delete", "table", "netdev", "seen"]);
    await own.node.attempt("nsenter", ["--net=/run/netns/pod2", "nft", "delete", "table", "netdev", "seen"]);
  }
  /** Which kinds arrived, and where. */
  async function seen(): Promise<string[]> {
    const places = [
      ["host", await own.node.run("nft", "list", "table", "netdev", "seen")],
      ["pod2", await own.node.runIn("pod2", "nft", "list", "table", "netdev", "seen")],
    ] as const;
    return places.flatMap(([place, text]) =>
      [...text.matchAll(/counter packets ([0-9]+) .*comment "(.*)"/g)]
        .filter(([, packets]) => packets !== "0")
        .map(([, , kind]) => `${kind} at ${place}`),
    );
  }
  const scripts = (): Record<string, string> => ({
    "from a foreign IPv4 address": withAddress(`${foreign[0]}/32`, both(foreign[0], hostAddress, 0)),
    "from a foreign IPv6 address": withAddress(`${foreign[1]}/128`, both(foreign[1], hostAddress6, 1)),
    "that asks for its gateway from a foreign address": withAddress(
      `${foreign[1]}/128`,
      `${inPod} ip neighbour flush all nud permanent; ${ping(foreign[1], hostAddress6)}
      ${inPod} ip neighbour replace fe80::1 lladdr ee:70:77:00:00:01 dev eth0 nud permanent
      ${inPod} ip neighbour replace 169.254.1.1 lladdr ee:70:77:00:00:01 dev eth0 nud permanent`,
    ),
    "from a foreign MAC": withMac(pods.pod1.mac, both("eth0", hostAddress, 0)),
    "that claims a foreign address by ARP": withAddress(
      `${foreign[0]}/32`,
      `${arping(`-U -s ${foreign[0]} ${foreign[0]}`)}; ${arping(`-A -s ${foreign[0]} ${foreign[0]}`)}`,
    ),
  });
  const both = (from: string, host: string, family: 0 | 1) =>
    `${ping(from, host)}; ${ping(from, pods.pod2.addresses[family])}`;

  async function wire(antiSpoofing: boolean): Promise<void> {
    const config = ovsNetwork({ antiSpoofing });
    pods = { pod1: await own.pod("pod1", config), pod2: await own.pod("pod2", config) };
    await watch();
  }
  async function unwire(): Promise<void> {
    await unwatch();
    for (const name of ["pod1", "pod2"]) expect((await own.del(name)).exitCode).toBe(0);
  }

  describe("with anti-spoofing", () => {
    beforeEach(() => wire(true));
    afterEach(unwire);

    test("is heard with what is its own, and with nothing else", async () => {
      await own.node.run("sh", "-ec", both(pods.pod1.addresses[0], hostAddress, 0));
      expect(await seen(), "its own").toEqual([]);
      for (const [what, script] of Object.entries(scripts())) {
        await own.node.run("sh", "-ec", script);
        expect(await seen(), `a packet ${what}`).toEqual([]);
      }
    });

    test("is known to the host by one link-local address, and by no other that it chooses", async () => {
      const asking = (from: string) => `
        ${inPod} ip neighbour flush all nud permanent
        ${ping(`${from}%eth0`, "fe80::1%eth0")}
        ip -6 neighbour show dev podwire0`;
      const addresses = await own.node.runIn(
        "pod1",
        "ip",
        "-o",
        "-6",
        "address",
        "show",
        "dev",
        "eth0",
        "scope",
        "link",
      );
      const own6 = /inet6 ([0-9a-f:]+)/.exec(addresses)?.[1] ?? addresses;
      expect(await own.node.run("sh", "-ec", asking(own6))).toContain(own6);
      const other = "fe80::bad";
      expect(await own.node.run("sh", "-ec", withAddress(`${other}/64`, asking(other)))).not.toContain(other);
    });

    test("reaches others again once it has its own MAC again", async () => {
      await own.node.run("sh", "-ec", withMac(pods.pod1.mac, "true"));
      await own.node.runIn("pod1", "ping", "-c", "1", "-W", "3", pods.pod2.addresses[0]).catch(() => {});
      await own.node.runIn(
        "pod1",
        "ip",
        "route",
        "replace",
        "default",
        "via",
        "169.254.1.1",
        "dev",
        "eth0",
        "onlink",
      );
      await own.node.runIn("pod1", "ping", "-c", "1", "-W", "3", pods.pod2.addresses[0]);
    });
  });

  describe("without anti-spoofing", () => {
    beforeEach(() => wire(false));
    afterEach(unwire);

    test.each([
      ["from a foreign IPv4 address", ["ipv4 at host", "ipv4 at pod2"]],
      ["from a foreign IPv6 address", ["ipv6 at host", "ipv6 at pod2"]],
    ])("is heard %s", async (what, where) => {
      await own.node.run("sh", "-ec", scripts()[what] ?? "");
      expect((await seen()).sort()).toEqual(where);
    });

    test("is heard from a foreign MAC by the host", async () => {
      await own.node.run("sh", "-ec", scripts()["from a foreign MAC"] ?? "");
      expect(await seen()).toContain("mac at host");
    });

    test("has no say in ARP all the same: the bridge answers by itself", async () => {
      await own.node.run("sh", "-ec", scripts()["that claims a foreign address by ARP"] ?? "");
      expect(await seen()).toEqual([]);
    });
  });
});
