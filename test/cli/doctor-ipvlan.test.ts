// What `podwire doctor` says of a network's ipvlan mode, by iproute2's answers as plain data.
import { afterEach, describe, expect, test, vi } from "vitest";
import { checkIpvlan } from "../../src/cli/doctor/ipvlan.ts";
import type { Node } from "../../src/cli/doctor/node.ts";
import { call } from "../attachment/call.ts";
import { ethernet, type Host, pathOn, slave } from "../attachment/ipvlan-host.ts";

function findings(host: Host, mode: string, flag = "bridge") {
  vi.stubEnv("PATH", pathOn(host));
  const ranges = [[{ subnet: "10.244.1.0/24" }], [{ subnet: "fd00:10:244:1::/64" }]];
  const ipam = { type: "host-local", ranges };
  const { config } = call({ config: { datapath: "ipvlan", ipvlan: { master: "lo", mode, flag }, ipam } });
  return checkIpvlan({ networks: [config] } as Partial<Node> as Node);
}

describe("podwire doctor, of ipvlan,", () => {
  afterEach(() => vi.unstubAllEnvs());

  test("has nothing against l3s", async () => {
    expect(await findings({}, "l3s")).toMatchObject([
      { level: "ok", found: "mode l3s bridge on lo, MTU 1500" },
    ]);
  });

  test.each(["l2", "l3"])("warns that Services do not work in %s", async (mode) => {
    const [about] = await findings({}, mode);
    expect(about).toMatchObject({ level: "warning", found: `mode ${mode} bridge on lo, MTU 1500` });
    expect(about).toMatchObject({ breaks: expect.stringContaining("no Services") });
  });

  test.each(["private", "vepa"])("warns that probes fail with the flag %s", async (flag) => {
    const [about] = await findings({}, "l3s", flag);
    expect(about).toMatchObject({ level: "warning", found: `mode l3s ${flag} on lo, MTU 1500` });
    expect(about).toMatchObject({ breaks: "this host does not reach its pods: probes fail" });
  });

  test.each([
    ["down", ["BROADCAST", "MULTICAST"]],
    ["no carrier", ["BROADCAST", "MULTICAST", "NO-CARRIER", "UP"]],
  ])("reports a master that is %s", async (found, flags) => {
    const master = { ...ethernet, flags };
    expect((await findings({ master }, "l3s")).at(1)).toMatchObject({
      check: "link of master lo",
      level: "error",
      found,
      breaks: "pods reach neither this host nor anything beyond it",
    });
  });

  test("warns of a master without an address of a family that pods have, which l2 does not need", async () => {
    const of = (...families: ("." | ":")[]) => ({
      master: {
        ...ethernet,
        addr_info: ethernet.addr_info.filter(({ local }) => families.some((mark) => local.includes(mark))),
      },
    });
    const checks = async (host: Host, mode: string) => {
      const found = (await findings(host, mode)).map(({ check }) => check);
      return found.filter((check) => check.includes("address"));
    };
    expect(await checks(of(), "l3s")).toEqual(["IPv4 address of lo", "IPv6 address of lo"]);
    expect(await checks(of("."), "l3s")).toEqual(["IPv6 address of lo"]);
    expect(await checks(of(".", ":"), "l3s")).toEqual([]);
    expect(await checks(of(), "l2")).toEqual([]);
  });

  test("reports a master that is in use in another mode", async () => {
    expect(await findings({ ipvlan: slave("l2", "bridge") }, "l3s")).toMatchObject([
      { level: "error", found: expect.stringContaining("in use in mode l2") },
    ]);
  });
});
