// The listings are as iptables 1.8.9 prints them.
import { describe, expect, test } from "vitest";
import { parsePrefix } from "../../src/address/ip.ts";
import { podsTraffic, tunnelsTraffic } from "../../src/bypass/concern.ts";
import { legacyObstacles } from "../../src/bypass/legacy-obstacles.ts";

const pods = ["10.244.0.0/16", "fd00:10:244::/48"].flatMap((text) => parsePrefix(text) ?? []);

describe("rules by iptables-legacy", () => {
  const listing = (...lines: string[]) => ["-P FORWARD ACCEPT", ...lines].join("\n");
  test.each<[string, string, string[]]>([
    ["accepting", listing("-A FORWARD -i pw+ -j ACCEPT"), []],
    [
      "dropping",
      listing("-A FORWARD -p tcp --dport 22 -j DROP"),
      ["iptables -t filter -A FORWARD -p tcp --dport 22 -j DROP"],
    ],
    ["by default", "-P FORWARD DROP", ["iptables FORWARD drops by default"]],
    ["by default elsewhere", "-P INPUT DROP", []],
    ["for another network", listing("-A FORWARD -s 172.17.0.0/16 -j DROP"), []],
    [
      "for all but another network",
      listing("-A FORWARD ! -s 172.17.0.0/16 -j DROP"),
      ["iptables -t filter -A FORWARD ! -s 172.17.0.0/16 -j DROP"],
    ],
    [
      "of kube-proxy",
      listing("-N KUBE-FORWARD", "-A FORWARD -j KUBE-FORWARD", "-A KUBE-FORWARD -j DROP"),
      [],
    ],
    [
      "behind a jump",
      listing("-N MINE", "-A FORWARD -j MINE", "-A MINE -j DROP"),
      ["iptables -t filter -A MINE -j DROP"],
    ],
    ["for the host itself", listing("-A INPUT -j DROP"), []],
    ["for what leaves the pods", listing("-A FORWARD -s 10.244.0.0/16 ! -d 10.244.0.0/16 -j DROP"), []],
    [
      "for what leaves a node",
      listing("-A FORWARD -s 10.244.1.0/24 ! -d 10.244.1.0/24 -j DROP"),
      ["iptables -t filter -A FORWARD -s 10.244.1.0/24 ! -d 10.244.1.0/24 -j DROP"],
    ],
    ["for the host's own addresses", listing("-A FORWARD -m addrtype --dst-type LOCAL -j DROP"), []],
    [
      "for others than the host's own addresses",
      listing("-A FORWARD -m addrtype ! --dst-type LOCAL -j DROP"),
      ["iptables -t filter -A FORWARD -m addrtype ! --dst-type LOCAL -j DROP"],
    ],
    ...[
      '-A FORWARD -m comment --comment "was -j ACCEPT before" -j DROP',
      '-A FORWARD -m comment --comment "not only -s 203.0.113.1/32 any more" -j DROP',
      '-A FORWARD -m comment --comment "said \\" -j ACCEPT" -j DROP',
      '-A FORWARD -m comment --comment "one\n-A FORWARD -j ACCEPT" -j DROP',
      "-A FORWARD -m comment --comment -j -j DROP",
      '-A FORWARD -m string --string "-s 203.0.113.1" --algo bm --to 65535 -j DROP',
      '-A FORWARD -j LOG --log-prefix "a -s 203.0.113.1/32 -j ACCEPT"',
    ].map((line): [string, string, string[]] => [line, listing(line), [`iptables -t filter ${line}`]]),
    [
      "with a comment, for another network",
      listing('-A FORWARD -s 172.17.0.0/16 -m comment --comment "-s 10.244.0.0/16" -j DROP'),
      [],
    ],
    [
      "with a comment, behind a jump",
      listing("-N MINE", '-A FORWARD -m comment --comment "our own" -g MINE', "-A MINE -j DROP"),
      ["iptables -t filter -A MINE -j DROP"],
    ],
  ])("%s", (_, text, expected) => {
    expect(legacyObstacles("iptables", "filter", text, podsTraffic(pods))).toEqual(expected);
  });

  test("dropping by default before and after routing", () => {
    const text = "-P PREROUTING DROP\n-P POSTROUTING DROP";
    expect(legacyObstacles("iptables", "mangle", text, podsTraffic(pods))).toEqual([
      "iptables -t mangle PREROUTING drops by default",
      "iptables -t mangle POSTROUTING drops by default",
    ]);
  });

  test("dropping by default what the node sends, unless ICMP may leave", () => {
    const found = (...lines: string[]) =>
      legacyObstacles("iptables", "filter", ["-P OUTPUT DROP", ...lines].join("\n"), podsTraffic(pods));
    expect(found("-A OUTPUT -p tcp -j ACCEPT", "-A OUTPUT ! -p icmp -j ACCEPT")).toEqual([
      "iptables OUTPUT drops by default",
    ]);
    for (const line of [
      "-A OUTPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
      "-A OUTPUT -p icmp -m icmp --icmp-type 8 -j ACCEPT",
      "-A OUTPUT -d 203.0.113.1/32 -p icmp -j ACCEPT",
    ]) {
      expect(found(line)).toHaveLength(1);
    }
    for (const line of [
      "-A OUTPUT -p icmp -j ACCEPT",
      '-A OUTPUT -p icmp -m comment --comment "errors -d 203.0.113.1/32" -j ACCEPT',
      "-A OUTPUT -m conntrack --ctstate RELATED,ESTABLISHED,UNTRACKED -j ACCEPT",
    ]) {
      expect(found(line)).toEqual([]);
    }
  });

  test("about one network, where nobody says which pods it is about", () => {
    const line = "-A FORWARD -s 172.17.0.0/16 -j DROP";
    expect(legacyObstacles("iptables", "filter", line, podsTraffic([]))).toHaveLength(1);
  });

  test("of another family", () => {
    const ipv4 = podsTraffic(pods.slice(0, 1));
    expect(legacyObstacles("ip6tables", "filter", "-P FORWARD DROP", ipv4)).toEqual([]);
  });
});

describe("rules by iptables-legacy about tunnels", () => {
  const ends = ["192.0.2.1/32", "192.0.2.2/32"].flatMap((text) => parsePrefix(text) ?? []);
  test.each<[string, string, boolean]>([
    [
      "a mark for encryption",
      "-A OUTPUT -p udp -m udp --dport 4789 -j MARK --set-xmark 0x1/0xffffffff",
      true,
    ],
    ["what was not encrypted", "-A INPUT -p udp -m policy --dir in --pol none -j DROP", true],
    ["a range of ports", "-A INPUT -p udp -m udp --dport 4000:5000 -j DROP", true],
    ["all but a port", "-A INPUT -p udp -m udp ! --dport 53 -j DROP", true],
    ["all protocols but TCP", "-A INPUT ! -p tcp -j DROP", true],
    ["a peer", "-A INPUT -s 192.0.2.2/32 -j DROP", true],
    ["another port", "-A INPUT -p udp -m udp --dport 53 -j DROP", false],
    ["TCP", "-A INPUT -p tcp -m tcp --dport 22 -j DROP", false],
    ["all protocols but UDP", "-A INPUT ! -p udp -j DROP", false],
    ["others", "-A INPUT -s 203.0.113.0/24 -j DROP", false],
    ["what is forwarded", "-A FORWARD -j DROP", false],
  ])("%s", (_, line, isObstacle) => {
    expect(legacyObstacles("iptables", "filter", line, tunnelsTraffic(ends, [4789]))).toEqual(
      isObstacle ? [`iptables -t filter ${line}`] : [],
    );
  });
});
