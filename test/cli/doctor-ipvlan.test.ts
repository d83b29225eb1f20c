// What `podwire doctor` says of a network's ipvlan mode, by iproute2's answers as plain data.
import { afterEach, describe, expect, test, vi } from "vitest";
import { checkIpvlan } from "../../src/cli/doctor/ipvlan.ts";
import type { Node } from "../../src/cli/doctor/node.ts";
import { call } from "../attachment/call.ts";
import { ethernet, type Host, pathOn, slave } from "../attachment/ipvlan-host.ts";

function findings(host: Host, mode: string) {
  vi.stubEnv("PATH", pathOn(host));
  const { config } = call({ config: { datapath: "ipvlan", ipvlan: { master: "lo", mode } } });
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

  test("warns of a master without an address, which l2 does not need", async () => {
    const bare = { master: { ...ethernet, addr_info: [] } };
    const checks = async (mode: string) => (await findings(bare, mode)).map(({ check }) => check);
    expect(await checks("l3s")).toContain("address of lo");
    expect(await checks("l2")).not.toContain("address of lo");
  });

  test("reports a master that is in use in another mode", async () => {
    expect(await findings({ ipvlan: slave("l2", "bridge") }, "l3s")).toMatchObject([
      { level: "error", found: expect.stringContaining("in use in mode l2") },
    ]);
  });
});
