// A pod of Open vSwitch whose port is lost: no flow looks at what it sends, and its packets are the host's.
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { outsideAddress, outsideAddress6, startNode } from "../fixture/node.ts";
import { firstHostLink } from "../fixture/shape/links.ts";

const script = path.resolve(import.meta.dirname, "lost-port.ts");

const families = [
  ["IPv4", "ip", "10.244.1.99/32", outsideAddress],
  ["IPv6", "ip6", "fd00:10:244:1::99/128", outsideAddress6],
] as const;
const repairs = [
  ["made again", "forwarding"],
  ["made again as far as can be", "pair"],
] as const;

const cases = families.flatMap(([name, ...family]) =>
  repairs.map(([how, harm]) => ({ name, how, harm, family })),
);

test.each(cases)(
  "the host routes nothing that it sends by $name, $how",
  async ({ harm, family: [family, foreign, outside] }) => {
    const node = await startNode();
    onTestFinished(() => node.stop());
    await node.addPod("pod1");
    await node.run(process.execPath, script, "/run/netns/pod1", harm);
    expect(await node.run("sysctl", "-n", "net.ipv4.ip_forward")).toBe("1");
    const rules = [
      "add table netdev seen",
      "add chain netdev seen in { type filter hook ingress device node priority 0; }",
      `add rule netdev seen in ${family} saddr ${foreign} counter`,
    ];
    await node.runIn("outside", "nft", rules.join("; "));
    await node.runIn(
      "pod1",
      "ip",
      "address",
      "add",
      foreign,
      "dev",
      "eth0",
      ...(family === "ip6" ? ["nodad"] : []),
    );
    const from = foreign.replace(/\/.*/, "");
    const words = ["--net=/run/netns/pod1", "ping", "-c", "2", "-i", "0.2", "-W", "1", "-I", from, outside];
    const seen = async () => {
      // Nobody has a way back.
      expect((await node.attempt("nsenter", words)).exitCode).toBe(1);
      return node.runIn("outside", "nft", "list", "table", "netdev", "seen");
    };
    expect(await seen()).toContain("packets 0 ");
    // It is what podwire set on the link that keeps them from being routed.
    const link = await firstHostLink(node);
    const taken = `echo 1 > ipv4/conf/${link}/forwarding; echo 0 > ipv6/conf/${link}/disable_ipv6`;
    await node.run("sh", "-ec", `cd /proc/sys/net; ${taken}`);
    expect(await seen()).toMatch(/packets [1-9]/);
  },
);
