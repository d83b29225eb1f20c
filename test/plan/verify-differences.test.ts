// Each thing that can differ from a plan, changed by itself, and the words in which CHECK reports it.
import { describe, expect, test } from "vitest";
import { describeDifference } from "../../src/plan/verify.ts";
import type { KernelState } from "./kernel-state.ts";
import { differencesAfter, get, host, hostLink, plan, pod, podRoute } from "./planned-kernel.ts";

describe("one change is one difference, with object, expected and found", () => {
  const changes: [string, (state: KernelState) => unknown, string][] = [
    [
      "the pod's MTU",
      (s) => (pod(s).link.mtu = 1500),
      "link eth0 in the pod: expected mtu 1450, found mtu 1500",
    ],
    [
      "the host end's MTU",
      (s) => (host(s).link.mtu = 9000),
      `link ${hostLink} on the host: expected mtu 1450, found mtu 9000`,
    ],
    [
      "the pod's MAC",
      (s) => (pod(s).link.address = "0a:00:00:00:00:01"),
      "link eth0 in the pod: expected mac 0a:cc:e7:3e:ed:74, found mac 0a:00:00:00:00:01",
    ],
    [
      "the host end's MAC",
      (s) => (host(s).link.address = "0a:00:00:00:00:01"),
      `link ${hostLink} on the host: expected mac ee:70:77:00:00:01, found mac 0a:00:00:00:00:01`,
    ],
    ["a link that is down", (s) => (pod(s).link.flags = []), "link eth0 in the pod: expected up, found down"],
    [
      "a link whose peer is down",
      (s) => (host(s).link.flags = ["NO-CARRIER", "UP"]),
      `link ${hostLink} on the host: expected a peer that is up, found no carrier`,
    ],
    [
      "a link of another kind",
      (s) => (pod(s).link.linkinfo = { info_kind: "dummy" }),
      "link eth0 in the pod: expected veth, found dummy",
    ],
    [
      "a link of no kind",
      (s) => delete pod(s).link.linkinfo,
      "link eth0 in the pod: expected veth, found nothing",
    ],
    [
      "another address",
      (s) => (get(pod(s).link.addr_info[0]).local = "10.244.1.9"),
      "address 10.244.1.7/32 of eth0 in the pod: expected 10.244.1.7/32, found 10.244.1.9/32, fd00:10:244:1::7/128",
    ],
    [
      "another prefix length",
      (s) => (get(pod(s).link.addr_info[1]).prefixlen = 64),
      "address fd00:10:244:1::7/128 of eth0 in the pod: expected fd00:10:244:1::7/128, found 10.244.1.7/32, fd00:10:244:1::7/64",
    ],
    [
      "a lost gateway address",
      (s) => host(s).link.addr_info.shift(),
      `address 169.254.1.1/32 of ${hostLink} on the host: expected 169.254.1.1/32, found fe80::1/64`,
    ],
    [
      "a lost host route",
      (s) => host(s).routes.shift(),
      `route 10.244.1.7/32 dev ${hostLink} on the host: expected the route, found no such route`,
    ],
    [
      "a host route of another scope",
      (s) => (get(host(s).routes[0]).scope = "0"),
      `route 10.244.1.7/32 dev ${hostLink} on the host: expected 253, found 0`,
    ],
    [
      "a host route through a gateway",
      (s) => (get(host(s).routes[1]).gateway = "fe80::9"),
      `route fd00:10:244:1::7/128 dev ${hostLink} on the host: expected no gateway, found fe80::9`,
    ],
    [
      "another gateway",
      (s) => (podRoute(s, "default").gateway = "10.244.1.1"),
      "route 0.0.0.0/0 via 169.254.1.1 dev eth0 in the pod: expected 169.254.1.1, found 10.244.1.1",
    ],
    [
      "no gateway",
      (s) => delete podRoute(s, "default").gateway,
      "route 0.0.0.0/0 via 169.254.1.1 dev eth0 in the pod: expected 169.254.1.1, found no gateway",
    ],
    [
      "another metric",
      (s) => (podRoute(s, "192.0.2.0/24").metric = 10),
      "route 192.0.2.0/24 dev eth0 in the pod: expected 9, found 10",
    ],
    [
      "another scope",
      (s) => (podRoute(s, "192.0.2.0/24").scope = "254"),
      "route 192.0.2.0/24 dev eth0 in the pod: expected 253, found 254",
    ],
    [
      "a lost MTU",
      (s) => delete get(pod(s).routes[2]).metrics,
      "route ::/0 via fe80::1 dev eth0 in the pod: expected 1400, found no mtu",
    ],
    [
      "an MTU nobody asked for",
      (s) => (podRoute(s, "default").metrics = [{ mtu: 1300 }]),
      "route 0.0.0.0/0 via 169.254.1.1 dev eth0 in the pod: expected no mtu, found 1300",
    ],
    [
      "another MSS",
      (s) => (podRoute(s, "198.51.100.0/24").metrics = [{ advmss: 536 }]),
      "route 198.51.100.0/24 via 169.254.1.1 dev eth0 table 100 in the pod: expected 1360, found 536",
    ],
    [
      "another table than was asked for",
      (s) => (podRoute(s, "198.51.100.0/24").table = "101"),
      "route 198.51.100.0/24 via 169.254.1.1 dev eth0 table 100 in the pod: expected the route, found no such route",
    ],
    [
      "a route in the local table only",
      (s) => (podRoute(s, "192.0.2.0/24").table = "255"),
      "route 192.0.2.0/24 dev eth0 in the pod: expected the route, found no such route",
    ],
    [
      "a lost IPv6 default route",
      (s) => pod(s).routes.splice(2, 1),
      "route ::/0 via fe80::1 dev eth0 in the pod: expected the route, found no such route",
    ],
    [
      "another MAC of the gateway",
      (s) => (get(pod(s).neighbours[0]).lladdr = "0a:00:00:00:00:01"),
      "neighbour 169.254.1.1 of eth0 in the pod: expected ee:70:77:00:00:01, found 0a:00:00:00:00:01",
    ],
    [
      "a lost neighbour",
      (s) => pod(s).neighbours.pop(),
      "neighbour fe80::1 of eth0 in the pod: expected ee:70:77:00:00:01, found nothing",
    ],
    [
      "a neighbour without MAC",
      (s) => delete get(pod(s).neighbours[1]).lladdr,
      "neighbour fe80::1 of eth0 in the pod: expected ee:70:77:00:00:01, found nothing",
    ],
    [
      "no masquerading",
      (s) => (s.masquerade.active = false),
      "masquerading of 10.244.1.7, fd00:10:244:1::7 on the host: expected a chain with its rules in table podwire, found none",
    ],
    [
      "an address that is not masqueraded",
      (s) => s.masquerade.sources.delete("10.244.1.7"),
      "masquerading of 10.244.1.7, fd00:10:244:1::7 on the host: expected 10.244.1.7 in the set of pods, found not in it",
    ],
    [
      "a prefix that is masqueraded",
      (s) => s.masquerade.direct.delete("10.244.1.0/24"),
      "masquerading of 10.244.1.7, fd00:10:244:1::7 on the host: expected 10.244.1.0/24 in the set of direct prefixes, found not in it",
    ],
  ];

  test.each(changes)("%s", (_, change, text) => {
    expect(differencesAfter(change).map(describeDifference)).toEqual([text]);
  });

  const settings = plan.filter((object) => object.kind === "sysctl");
  test.each(settings.map(({ where, key, value }) => [where, key, value] as const))(
    "a setting: %s %s",
    (where, key, value) => {
      const object = `sysctl ${key} ${where === "host" ? "on the host" : "in the pod"}`;
      expect(differencesAfter((state) => (state[where].settings[key] = "7"))).toEqual([
        { object, expected: value, found: "7" },
      ]);
      expect(differencesAfter((state) => delete state[where].settings[key])).toEqual([
        { object, expected: value, found: "nothing" },
      ]);
    },
  );
});
