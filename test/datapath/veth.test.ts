// The routed veth datapath by its plans: read the first three tests to know what podwire makes of a pod.
import { describe, expect, test } from "vitest";
import { veth } from "../../src/datapath/veth.ts";
import { ipv4, ipv6, wiring } from "./wiring.ts";

const hostMac = "ee:70:77:00:00:01";
/** Both follow from the names podnet, pod1 and eth0. */
const hostLink = "pw73862bcce73ee";
const podMac = "0a:cc:e7:3e:ed:74";

const onHost = { kind: "link", where: "host" } as const;
const hostKey = (key: string, value: string) => ({ kind: "sysctl", where: "host", key, value });
const podKey = (key: string, value: string) => ({ kind: "sysctl", where: "pod", key, value });
describe("the plan of a pod", () => {
  test("with an IPv4 address", () => {
    const { plan } = veth.wire(wiring());
    expect(plan).toEqual([
      {
        ...onHost,
        name: hostLink,
        mac: hostMac,
        mtu: 1450,
        alias: "podwire:podnet/pod1/eth0",
        type: { kind: "veth", makesPair: true, peer: { where: "pod", name: "eth0", mac: podMac, mtu: 1450 } },
      },
      { kind: "address", where: "host", link: hostLink, address: "169.254.1.1/32", scope: "host" },
      { kind: "route", where: "host", link: hostLink, dst: "10.244.1.7/32", scope: 253 },
      hostKey(`net/ipv4/conf/${hostLink}/forwarding`, "1"),
      hostKey(`net/ipv6/conf/${hostLink}/accept_ra`, "0"),
      {
        kind: "link",
        where: "pod",
        name: "eth0",
        mac: podMac,
        mtu: 1450,
        type: {
          kind: "veth",
          makesPair: false,
          peer: { where: "host", name: hostLink, mac: hostMac, mtu: 1450 },
        },
      },
      { kind: "address", where: "pod", link: "eth0", address: "10.244.1.7/32" },
      { kind: "route", where: "pod", link: "eth0", dst: "169.254.1.1/32", scope: 253, priority: 0 },
      { kind: "neighbour", where: "pod", link: "eth0", address: "169.254.1.1", mac: hostMac },
      { kind: "route", where: "pod", link: "eth0", dst: "0.0.0.0/0", gateway: "169.254.1.1", priority: 0 },
      hostKey("net/ipv4/ip_forward", "1"),
    ]);
  });

  test("with an IPv6 address", () => {
    const { plan } = veth.wire(wiring({ ips: [ipv6], routes: [{ dst: "::/0" }] }));
    expect(plan).toEqual([
      {
        ...onHost,
        name: hostLink,
        mac: hostMac,
        mtu: 1450,
        alias: "podwire:podnet/pod1/eth0",
        noAutomaticAddress: true,
        type: { kind: "veth", makesPair: true, peer: { where: "pod", name: "eth0", mac: podMac, mtu: 1450 } },
      },
      { kind: "address", where: "host", link: hostLink, address: "fe80::1/64" },
      { kind: "route", where: "host", link: hostLink, dst: "fd00:10:244:1::7/128" },
      hostKey(`net/ipv6/conf/${hostLink}/accept_ra`, "0"),
      podKey("net/ipv6/conf/eth0/disable_ipv6", "0"),
      podKey("net/ipv6/conf/eth0/accept_dad", "0"),
      podKey("net/ipv6/conf/eth0/accept_ra", "0"),
      podKey("net/ipv6/conf/eth0/accept_redirects", "0"),
      {
        kind: "link",
        where: "pod",
        name: "eth0",
        mac: podMac,
        mtu: 1450,
        type: {
          kind: "veth",
          makesPair: false,
          peer: { where: "host", name: hostLink, mac: hostMac, mtu: 1450 },
        },
      },
      { kind: "address", where: "pod", link: "eth0", address: "fd00:10:244:1::7/128" },
      { kind: "neighbour", where: "pod", link: "eth0", address: "fe80::1", mac: hostMac },
      { kind: "route", where: "pod", link: "eth0", dst: "::/0", gateway: "fe80::1", priority: 1024 },
      hostKey("net/ipv6/conf/all/forwarding", "1"),
      hostKey(`net/ipv6/conf/${hostLink}/forwarding`, "1"),
    ]);
  });

  test("with addresses of both families and masquerading", () => {
    const routes = [{ dst: "0.0.0.0/0" }, { dst: "::/0" }];
    const { plan } = veth.wire(wiring({ ips: [ipv4, ipv6], routes, ipMasq: true }));
    expect(plan.filter(({ kind }) => kind !== "link")).toEqual([
      { kind: "address", where: "host", link: hostLink, address: "169.254.1.1/32", scope: "host" },
      { kind: "address", where: "host", link: hostLink, address: "fe80::1/64" },
      { kind: "route", where: "host", link: hostLink, dst: "10.244.1.7/32", scope: 253 },
      { kind: "route", where: "host", link: hostLink, dst: "fd00:10:244:1::7/128" },
      hostKey(`net/ipv4/conf/${hostLink}/forwarding`, "1"),
      hostKey(`net/ipv6/conf/${hostLink}/accept_ra`, "0"),
      podKey("net/ipv6/conf/eth0/disable_ipv6", "0"),
      podKey("net/ipv6/conf/eth0/accept_dad", "0"),
      podKey("net/ipv6/conf/eth0/accept_ra", "0"),
      podKey("net/ipv6/conf/eth0/accept_redirects", "0"),
      { kind: "address", where: "pod", link: "eth0", address: "10.244.1.7/32" },
      { kind: "address", where: "pod", link: "eth0", address: "fd00:10:244:1::7/128" },
      { kind: "route", where: "pod", link: "eth0", dst: "169.254.1.1/32", scope: 253, priority: 0 },
      { kind: "neighbour", where: "pod", link: "eth0", address: "169.254.1.1", mac: hostMac },
      { kind: "neighbour", where: "pod", link: "eth0", address: "fe80::1", mac: hostMac },
      { kind: "route", where: "pod", link: "eth0", dst: "0.0.0.0/0", gateway: "169.254.1.1", priority: 0 },
      { kind: "route", where: "pod", link: "eth0", dst: "::/0", gateway: "fe80::1", priority: 1024 },
      {
        kind: "masquerade",
        where: "host",
        network: "podnet",
        sources: ["10.244.1.7", "fd00:10:244:1::7"],
        direct: ["10.244.1.0/24", "fd00:10:244:1::/64"],
      },
      hostKey("net/ipv4/ip_forward", "1"),
      hostKey("net/ipv6/conf/all/forwarding", "1"),
      hostKey(`net/ipv6/conf/${hostLink}/forwarding`, "1"),
    ]);
  });
});

describe("what the runtime is told", () => {
  test("is the pair, the bare addresses with the gateway of the link, and the routes", () => {
    const routes = [{ dst: "0.0.0.0/0" }, { dst: "::/0", mtu: 1400 }];
    const { interfaces, ips, routes: told } = veth.wire(wiring({ ips: [ipv4, ipv6], routes }));
    expect(interfaces).toEqual([
      { name: hostLink, mac: hostMac, mtu: 1450 },
      { name: "eth0", mac: podMac, mtu: 1450, sandbox: "/run/netns/pod1" },
    ]);
    expect(ips).toEqual([
      { address: "10.244.1.7/32", gateway: "169.254.1.1", interface: 1 },
      { address: "fd00:10:244:1::7/128", gateway: "fe80::1", interface: 1 },
    ]);
    expect(told).toEqual([
      { dst: "0.0.0.0/0", gw: "169.254.1.1" },
      { dst: "::/0", gw: "fe80::1", mtu: 1400 },
    ]);
  });
});
