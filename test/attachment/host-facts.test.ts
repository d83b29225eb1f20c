// What can be told of any host, or by what the kernel of another prints; the rest is tested with real nodes.
import fs from "node:fs";
import { afterEach, describe, expect, test, vi } from "vitest";
import { hostFacts, linkMtu, podMtu } from "../../src/attachment/host-facts.ts";
import { call } from "./call.ts";

const config = (changes: Record<string, unknown>) => call({ config: changes }).config;
const underlay = (name: string) => ({ overlay: { type: "none", underlay: name } });

afterEach(() => {
  vi.restoreAllMocks();
});

/** Another host's procfs and sysfs: what is not named is not there. */
function onHost(files: Readonly<Record<string, string>>): void {
  const read = fs.readFileSync;
  vi.spyOn(fs, "readFileSync").mockImplementation(((file: string, options: "utf8") => {
    if (!/^\/(proc|sys)\//.test(file)) return read(file, options);
    const text = files[file];
    if (text === undefined) throw Object.assign(new Error(`no ${file}`), { code: "ENOENT" });
    return text;
  }) as typeof fs.readFileSync);
}

const mtu6 = (link: string, mtu: number) => ({ [`/proc/sys/net/ipv6/conf/${link}/mtu`]: `${mtu}\n` });

describe("the pod's MTU", () => {
  test.each([576, 1450, 9000, 65535])("is %d where the configuration says so", (mtu) => {
    expect(podMtu(config({ mtu, ...underlay("lo") }))).toBe(mtu);
  });

  test("is the underlay's where the configuration leaves it open, up to what a link of a pod may have", () => {
    expect(linkMtu("lo")).toBeGreaterThanOrEqual(1280);
    // The loopback of most hosts has 65536, one more than a veth can.
    const mtu = Math.min(linkMtu("lo") ?? 0, 65535);
    expect(podMtu(config(underlay("lo")))).toBe(mtu);
    expect(podMtu(config({ mtu: 0, ...underlay("lo") }))).toBe(mtu);
  });

  const title = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";
  const ipv4 = (link: string, metric: number, mask = "00000000") =>
    `${link}\t00000000\t010200C0\t0003\t0\t0\t${metric}\t${mask}\t0\t0\t0\n`;
  const [none, router] = ["0".repeat(32), "fe800000000000000000000000000001"];
  const ipv6 = (link: string, metric: number) => {
    const hex = metric.toString(16).padStart(8, "0");
    return `${none} 00 ${none} 00 ${router} ${hex} 00000001 00000000 00000003 ${link.padStart(8)}\n`;
  };
  const mtus = { ...mtu6("tun0", 1380), ...mtu6("eth0", 1400), ...mtu6("eth1", 9000), ...mtu6("lo", 65536) };

  test.each<[string, number, Record<string, string>]>([
    // Half of all addresses is no default.
    [
      "of the best metric",
      9000,
      { route: ipv4("tun0", 0, "00000080") + ipv4("eth0", 200) + ipv4("eth1", 100) },
    ],
    ["of IPv4 before IPv6", 1400, { route: ipv4("eth0", 200), ipv6_route: ipv6("eth1", 100) }],
    ["of IPv6", 9000, { route: "", ipv6_route: ipv6("lo", 1) + ipv6("eth0", 1024) + ipv6("eth1", 256) }],
    ["which there is not: Ethernet's", 1500, { route: ipv4("tun0", 0, "00000080"), ipv6_route: "" }],
  ])("is that of the default route's link, %s", (_, mtu, { route = "", ipv6_route = "" }) => {
    onHost({ ...mtus, "/proc/net/route": title + route, "/proc/net/ipv6_route": ipv6_route });
    expect(podMtu(config({}))).toBe(mtu);
  });

  test("is what sysfs says in a kernel without IPv6", () => {
    onHost({ "/proc/net/route": title + ipv4("eth0", 0), "/sys/class/net/eth0/mtu": "1420\n" });
    expect(podMtu(config({}))).toBe(1420);
  });

  test("is Ethernet's where the underlay is not there", () => {
    expect(podMtu(config(underlay("nonexistent")))).toBe(1500);
  });
});

describe("the host's facts", () => {
  const key = "/proc/sys/net/ipv6/conf/default/disable_ipv6";

  test("are those of its kernel", () => {
    const isOff = !fs.existsSync(key) || fs.readFileSync(key, "utf8") !== "0\n";
    const facts = { ipv6: fs.existsSync("/proc/sys/net/ipv6"), ipv6OffByDefault: isOff };
    expect(hostFacts(false)).toEqual({ ...facts, advertisedLinks: [] });
    expect(hostFacts(true)).toMatchObject(facts);
  });

  test.each([
    ["on", { [key]: "0\n" }, false],
    ["off", { [key]: "1\n" }, true],
    ["not there", {}, true],
  ])("tell that IPv6 is %s by default", (_, files, isOff) => {
    onHost(files);
    expect(hostFacts(false).ipv6OffByDefault).toBe(isOff);
  });
});
