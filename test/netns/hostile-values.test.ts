// ADD with values that no key takes or no pod can use: refused, and a machine that is exactly as it was.
import { describe, expect, test } from "vitest";
import { cni, dualStackIpam, network, succeed } from "../fixture/calls.ts";
import { expectFailure } from "../fixture/failure.ts";
import { untouchedNode } from "../fixture/untouched-node.ts";

const untouched = untouchedNode();

describe("values of a wrong type", () => {
  const odd = [null, 7, -1, 1.5, 1e300, true, "", "text", "\u0000", [], [null], [[]], {}, { a: 1 }];
  const taken: Record<string, readonly unknown[]> = {
    mtu: [],
    datapath: [],
    ipMasq: [true],
    ipvlan: [{}],
    ovs: [{}],
    overlay: [],
    bypass: [{}],
    log: [{}],
    timeout: [7],
    ipam: [],
    dns: [{}],
    capabilities: [{}],
    args: [{}, { a: 1 }],
    // Go writes an empty one as null.
    runtimeConfig: [null, {}, { a: 1 }],
    disableCheck: [true],
    // A runtime's prevResult may be absent in any way, and objects are read as results.
    prevResult: [null, {}, { a: 1 }],
  };
  test.each(Object.keys(taken))("are refused with code 7 (6 for results, 2 for keys): %s", async (key) => {
    const bad = odd.filter(
      (value) => !taken[key]?.some((good) => JSON.stringify(good) === JSON.stringify(value)),
    );
    for (const value of bad) await untouched.refuse({ config: network({ [key]: value }) }, [2, 6, 7], key);
  });

  const ipamValues: Record<string, readonly unknown[]> = {
    type: [null, 7, "", "..", "../x", "/bin/sh", "a b", "a/b", "-x", "\u0000"],
    ranges: [null, 7, "x", {}, [], [[]], [null], [{}], [[null]], [[{}]], [[{ subnet: 7 }]]],
    subnet: [
      null,
      7,
      "",
      "x",
      {},
      [],
      "10.0.0.0",
      "10.0.0.0/33",
      "10.0.0.0/-1",
      "10.0.0/24",
      "::/129",
      "10.0.0.0/ 8",
    ],
    routes: [
      null,
      7,
      "x",
      {},
      [null],
      [{}],
      [{ dst: "x" }],
      [{ dst: "10.0.0.0/8", mtu: -1 }],
      [{ dst: "10.0.0.0/8", scope: 256 }],
    ],
    resolvConf: [null, 7, {}, "/nowhere/resolv.conf", "/", "\u0000", "/dev/null\u0000"],
    dataDir: [null, 7, {}, "relative", "\u0000", "/run/\u0000", "/dev/null/x"],
  };
  test.each(Object.keys(ipamValues))("are refused with code 7 (5 for files): ipam.%s", async (key) => {
    for (const value of ipamValues[key] ?? []) {
      const ipam = key === "subnet" ? { type: "host-local" } : dualStackIpam;
      await untouched.refuse({ config: network({ ipam: { ...ipam, [key]: value } }) }, [5, 7]);
    }
  });

  const deep: Record<string, unknown>[] = [
    { dns: { nameservers: "10.0.0.1" } },
    { dns: { nameservers: [7] } },
    { dns: { search: {} } },
    { overlay: { type: "none", vni: 0 } },
    { overlay: { type: "none", port: 70000 } },
    { overlay: { type: "none", underlay: "a b" } },
    { overlay: { type: "none", underlay: "nowhere" } },
    { overlay: { type: "stt", output: "loud" } },
    { overlay: { type: "vxlan", output: "none" } },
    { overlay: { type: "vxlan", vni: 16777216 } },
    { overlay: { type: "nonsense" } },
    { datapath: "constructor" },
    { datapath: "__proto__" },
    { log: { level: "loud" } },
    { log: { file: "relative.log" } },
    { timeout: 0 },
    { timeout: 1e9 },
    { runtimeConfig: { ips: "10.244.1.7" } },
    { runtimeConfig: { ips: [7] } },
    { runtimeConfig: { ips: ["$(reboot)"] } },
    { runtimeConfig: { mac: "nonsense" } },
    { runtimeConfig: { ipRanges: [[{ subnet: "nonsense" }]] } },
    { runtimeConfig: { dns: { servers: ["nonsense"] } } },
    { args: { cni: { ips: "10.244.1.7" } } },
    { args: { cni: { ips: ["nonsense"] } } },
    { capabilities: { mac: "yes" } },
    { "cni.dev/valid-attachments": "all" },
  ];
  test.each(deep)("are refused with code 7: %j", async (extra) => {
    await untouched.refuse({ config: network(extra) }, [7, 103]);
  });

  const results = [
    7,
    "text",
    [],
    { ips: 7 },
    { ips: [null] },
    { ips: [{}] },
    { ips: [{ address: "10.0.0.1" }] },
    { ips: [{ address: "10.0.0.1/24", interface: "0" }] },
    { interfaces: {} },
    { interfaces: [{}] },
    { interfaces: [{ name: 7 }] },
    { routes: [{ dst: "x" }] },
    { routes: [{}] },
    { dns: 7 },
    { dns: { nameservers: 7 } },
  ];
  test.each(results)("are refused with code 6 or 7 in prevResult: %j", async (prevResult) => {
    await untouched.refuse({ config: network({ prevResult }) }, [6, 7], "prevResult");
  });

  test("are refused without name, ipam or type", async () => {
    for (const key of ["name", "ipam"]) {
      const { [key]: _, ...rest } = network();
      await untouched.refuse({ config: rest }, 7, key);
    }
  });
});

describe("absurd MTUs", () => {
  test.each([-1, 1, 67, 575, 65536, 1e9, 1e300, 1500.5, "1500"])("are refused: %j", async (mtu) => {
    await untouched.refuse({ config: network({ mtu }) }, 7, "mtu");
  });

  test("are refused for IPv6 below its minimum", async () => {
    await untouched.refuse({ config: network({ mtu: 1279, ipam: dualStackIpam }) }, 7, "mtu", "1280");
  });
});

describe("ranges that no pod can use", () => {
  const subnets = [
    "0.0.0.0/0",
    "127.0.0.0/8",
    "224.0.0.0/4",
    "255.255.255.0/24",
    "10.0.0.0/31",
    "10.0.0.1/32",
    "::/0",
    "::1/128",
    "ff00::/8",
    "fe80::/64",
    "::ffff:10.0.0.0/104",
    "169.254.1.0/24",
    "10.244.1.77/24",
    "100.64.0.0/10",
  ];
  test.each(subnets)("are refused, or the pod passes CHECK and goes without a trace: %s", async (subnet) => {
    const config = network({ ipMasq: true, ipam: { type: "host-local", ranges: [[{ subnet }]] } });
    const added = await cni(untouched.node, { verb: "ADD", config });
    if (added.exitCode !== 0) return void expectFailure(added, [7, 100, 103]);
    const checked = await cni(untouched.node, {
      verb: "CHECK",
      config: { ...config, prevResult: added.json },
    });
    await succeed(untouched.node, { verb: "DEL", config });
    await succeed(untouched.node, { verb: "GC", config: { ...config, "cni.dev/valid-attachments": [] } });
    await untouched.cleanUp();
    expect(checked.stdout).toBe("");
  });

  test("because an address is the datapath's own gateway are refused", async () => {
    const ranges = [[{ subnet: "169.254.1.0/24", gateway: "169.254.1.254" }]];
    await untouched.refuse({ config: network({ ipam: { type: "host-local", ranges } }) }, 7, "169.254.1.1");
  });
});
