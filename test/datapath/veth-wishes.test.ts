// How the routed veth's plan follows from what was asked and from the host, and what it refuses.
import { describe, expect, test } from "vitest";
import { veth } from "../../src/datapath/veth.ts";
import type { PodObject, PodPlan } from "../../src/plan/plan.ts";
import { thrown } from "../cni/thrown.ts";
import { ipv4, ipv6, wiring } from "./wiring.ts";

const hostMac = "ee:70:77:00:00:01";
/** Follows from the names podnet, pod1 and eth0. */
const hostLink = "pw73862bcce73ee";

const onHost = { kind: "link", where: "host" } as const;
const hostKey = (key: string, value: string) => ({ kind: "sysctl", where: "host", key, value });
const only = <K extends PodObject["kind"]>(plan: PodPlan, kind: K) =>
  plan.filter((object): object is Extract<PodObject, { kind: K }> => object.kind === kind);

describe("the plan follows what was asked", () => {
  test("for attributes of routes", () => {
    const attributes = { mtu: 1400, advmss: 1360, priority: 50, table: 100 };
    const { plan } = veth.wire(wiring({ routes: [{ dst: "192.0.2.0/24", ...attributes }] }));
    expect(only(plan, "route").filter(({ dst }) => dst === "192.0.2.0/24")).toEqual([
      {
        kind: "route",
        where: "pod",
        link: "eth0",
        dst: "192.0.2.0/24",
        gateway: "169.254.1.1",
        ...attributes,
      },
    ]);
  });

  test("for a route of link scope: no gateway, and the host answers for its addresses", () => {
    const { plan } = veth.wire(wiring({ routes: [{ dst: "192.0.2.0/24", scope: 253 }] }));
    expect(plan).toContainEqual({
      kind: "route",
      where: "pod",
      link: "eth0",
      dst: "192.0.2.0/24",
      scope: 253,
      priority: 0,
    });
    expect(plan).toContainEqual(hostKey(`net/ipv4/conf/${hostLink}/proxy_arp`, "1"));
    // By default the kernel lets the asking pod wait for up to 0.8 s.
    expect(plan).toContainEqual(hostKey(`net/ipv4/neigh/${hostLink}/proxy_delay`, "0"));
    expect(JSON.stringify(veth.wire(wiring()).plan)).not.toContain("proxy_");
  });

  test("for a second interface, whose routes come after the first's", () => {
    const second = veth.wire(wiring({ network: "storage", ifname: "net1" }));
    expect(only(second.plan, "link").map(({ name, mac }) => [name, mac])).toEqual([
      ["pw4adb2c6d43a68", hostMac],
      ["net1", "0a:6d:43:a6:85:f2"],
    ]);
    const routes = only(second.plan, "route").filter(({ where }) => where === "pod");
    expect(routes.map(({ dst, priority }) => [dst, priority])).toEqual([
      ["169.254.1.1/32", 101],
      ["0.0.0.0/0", 101],
    ]);
  });

  test("for a MAC address, in the kernel's lower case on both ends", () => {
    const { plan, interfaces } = veth.wire(wiring({ mac: "0A:58:0A:F4:01:07" }));
    const [host, pod] = only(plan, "link");
    const mac = "0a:58:0a:f4:01:07";
    expect(host?.type).toMatchObject({ peer: { mac } });
    expect([pod?.mac, interfaces.at(-1)?.mac]).toEqual([mac, mac]);
  });

  test("for several addresses of one subnet: a host route each, one route to the subnet", () => {
    const { plan } = veth.wire(wiring({ ips: [ipv4, { address: "10.244.1.8/24" }], routes: [] }));
    expect(only(plan, "route").map(({ where, dst }) => `${where} ${dst}`)).toEqual([
      "host 10.244.1.7/32",
      "host 10.244.1.8/32",
      "pod 169.254.1.1/32",
      "pod 10.244.1.0/24",
    ]);
    expect(only(plan, "neighbour")).toHaveLength(1);
  });

  test("for masquerading: to all but the addresses' subnets, of which one of a single address is none", () => {
    const ips = [
      { address: "10.244.1.7/24" },
      { address: "10.245.1.7/32" },
      { address: "fd00:10:244:1::7/128" },
      { address: "fd00:10:245:1::7/127" },
    ];
    const { plan } = veth.wire(wiring({ ips, routes: [], ipMasq: true }));
    expect(only(plan, "masquerade").map(({ sources, direct }) => [sources, direct])).toEqual([
      [
        ["10.244.1.7", "10.245.1.7", "fd00:10:244:1::7", "fd00:10:245:1::7"],
        ["10.244.1.0/24", "fd00:10:245:1::6/127"],
      ],
    ]);
  });
});

describe("the plan follows the host", () => {
  const dualStack = { ips: [ipv4, ipv6], routes: [{ dst: "0.0.0.0/0" }, { dst: "::/0" }] };

  test("where new links start without IPv6: it is turned on before addresses are given", () => {
    const host = { ipv6: true, ipv6OffByDefault: true, advertisedLinks: [] };
    const { plan } = veth.wire(wiring({ ...dualStack, host }));
    expect(plan[1]).toEqual(hostKey(`net/ipv6/conf/${hostLink}/disable_ipv6`, "0"));
    expect(plan.filter(({ kind }) => kind !== "link")).toHaveLength(
      veth.wire(wiring(dualStack)).plan.filter(({ kind }) => kind !== "link").length + 1,
    );
    expect(JSON.stringify(veth.wire(wiring({ host })).plan)).not.toContain("disable_ipv6");
  });

  test("that learns its default route: forwarding must not cost it that", () => {
    const host = { ipv6: true, ipv6OffByDefault: false, advertisedLinks: ["ens3", "ens4.100"] };
    const keys = only(veth.wire(wiring({ ...dualStack, host })).plan, "sysctl");
    expect(keys.filter(({ key }) => /^net.ipv6.*(forwarding|accept_ra)$/.test(key)).slice(-4)).toEqual([
      hostKey("net/ipv6/conf/ens3/accept_ra", "2"),
      hostKey("net/ipv6/conf/ens4.100/accept_ra", "2"),
      hostKey("net/ipv6/conf/all/forwarding", "1"),
      hostKey(`net/ipv6/conf/${hostLink}/forwarding`, "1"),
    ]);
  });

  test("without IPv6 in the kernel: nothing of it is touched", () => {
    const host = { ipv6: false, ipv6OffByDefault: true, advertisedLinks: [] };
    expect(JSON.stringify(veth.wire(wiring({ host })).plan)).not.toMatch(/ipv6|fe80/);
  });
});

test("the traces of an attachment are the link that its plan begins with", () => {
  const [trace, ...more] = veth.traces(
    { network: "podnet", containerID: "pod1", ifname: "eth0" },
    { database: "unix:/db.sock", bridge: "br0" },
  );
  expect(more).toEqual([]);
  expect(trace).toMatchObject({ ...onHost, name: hostLink, type: { makesPair: true } });
});

describe("a wish is refused with code 7 and its value", () => {
  test.each([
    ["an address without prefix length", { ips: [{ address: "10.244.1.7" }] }, '"10.244.1.7"'],
    ["an MTU too small for IPv6", { ips: [ipv4, ipv6], mtu: 1279 }, "mtu 1279"],
    ["a route of a family without an address", { routes: [{ dst: "::/0" }] }, "route ::/0"],
    ["a route to no network", { routes: [{ dst: "default" }] }, '"default"'],
    ["a gateway of nobody", { routes: [{ dst: "0.0.0.0/0", gw: "10.244.1.254" }] }, '"10.244.1.254"'],
    ["a gateway of the other family", { routes: [{ dst: "0.0.0.0/0", gw: "fd00::99" }] }, '"fd00::99"'],
    ["a route's MTU beyond the kernel's", { routes: [{ dst: "0.0.0.0/0", mtu: 65521 }] }, "65521"],
    ["a route's MSS beyond the kernel's", { routes: [{ dst: "0.0.0.0/0", advmss: 65496 }] }, "65496"],
  ])("%s", (_, changes, value) => {
    const { code, details } = thrown(() => veth.wire(wiring(changes)));
    expect([code, details]).toEqual([7, expect.stringContaining(value)]);
  });

  test("but the least MTU of IPv6 is enough", () => {
    expect(veth.wire(wiring({ ips: [ipv6], routes: [], mtu: 1280 })).interfaces[1]?.mtu).toBe(1280);
  });
});
