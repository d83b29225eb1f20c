// What a link must be like to be ipvlan's master, by iproute2's answers as plain data: "lo" stands for the link,
// because every host has one. Real links of every kind are tried in test/lab/cases/ipvlan.test.ts.
import { describe, expect, test } from "vitest";
import { ipvlanSettings } from "../../src/attachment/ipvlan-master.ts";
import { hostSlaveName } from "../../src/datapath/names.ts";
import { rejected } from "../cni/thrown.ts";
import { call } from "./call.ts";
import { ethernet, type Host, pathOn, slave } from "./ipvlan-host.ts";

/** The settings for `wanted` where iproute2 tells this of the host. */
function settingsOn(host: Host, wanted: Record<string, unknown> = {}) {
  const config = call({ config: { datapath: "ipvlan", ipvlan: { master: "lo", ...wanted } } }).config;
  return ipvlanSettings(config, { searchPath: pathOn(host), deadline: AbortSignal.timeout(30_000) });
}

describe("a master", () => {
  test("is told with its MAC, its MTU and its own addresses, without those of its links and the old", async () => {
    expect(await settingsOn({})).toEqual({
      mode: "l3s",
      flag: "bridge",
      master: {
        name: "lo",
        mac: "52:54:00:00:01:01",
        mtu: 1500,
        addresses: ["192.0.2.1", "2001:db8::1"],
      },
    });
  });

  test("needs no address", async () => {
    const { master } = await settingsOn({ master: { ...ethernet, addr_info: [] } });
    expect(master.addresses).toEqual([]);
  });

  test.each([
    ["macvlan links of another one", { macvlan: { ifname: "mv0", link: "eth7" } }],
    ["ipvlan slaves of another one", { ipvlan: slave("l2", "private", "eth7") }],
    ["slaves in the mode that is asked for", { ipvlan: slave("l3s", "bridge") }],
  ])("may have beside it %s", async (_, host) => {
    expect(await settingsOn(host)).toMatchObject({ mode: "l3s", flag: "bridge" });
  });

  test("may be in use in any mode, if that is the one", async () => {
    const settings = await settingsOn({ ipvlan: slave("l2", "vepa") }, { mode: "l2", flag: "vepa" });
    expect(settings).toMatchObject({ mode: "l2", flag: "vepa" });
  });
});

describe("a link is refused with code 106 and what is in the way", () => {
  const macvlan = { ifname: "mv0", link: "lo", linkinfo: { info_kind: "macvlan" } };
  const macvtap = { ifname: "mt0", link: "lo", linkinfo: { info_kind: "macvtap" } };
  const port = { ...ethernet, master: "br0" };
  test.each<[string, Host, RegExp]>([
    ["a loopback", { master: { ...ethernet, link_type: "loopback" } }, /"lo" is of type loopback/],
    ["a port of a bridge", { master: port }, /"lo" is a port of br0; name br0 itself/],
    [
      "an ipvlan slave",
      { master: { ...ethernet, ...slave("l3", "bridge", "eth7") } },
      /a slave of eth7; name/,
    ],
    ["macvlan's", { macvlan }, /"lo" has the macvlan link mv0/],
    ["macvtap's", { macvtap }, /"lo" has the macvtap link mt0/],
    [
      "one in another mode",
      { ipvlan: slave("l2", "bridge") },
      /l2 bridge \(link slave0\).*expected l3s bridge/,
    ],
    [
      "a tap of ipvlan's in another mode",
      {
        ipvtap: {
          ...slave("l2", "bridge"),
          linkinfo: { info_kind: "ipvtap", info_data: { mode: "l2", bridge: true } },
        },
      },
      /l2 bridge \(link slave0\).*expected l3s bridge/,
    ],
    [
      "one whose name another link had, which pods are on",
      { ipvlan: { ...slave("l3s", "bridge", "eth7"), ifname: hostSlaveName("lo", "l3s", "bridge") } },
      /the host's slave for it, pwis\w+, is on eth7, which had the name before/,
    ],
    [
      "one with another flag",
      { ipvlan: slave("l3s", "vepa") },
      /l3s vepa \(link slave0\).*expected l3s bridge/,
    ],
  ])("%s", async (_, host, reason) => {
    const { code, details } = await rejected(settingsOn(host));
    expect([code, details]).toEqual([106, expect.stringMatching(reason)]);
  });

  test("one that the host has not, and iproute2 is not asked", async () => {
    const { code, details } = await rejected(settingsOn({}, { master: "nosuchlink" }));
    expect([code, details]).toEqual([
      106,
      expect.stringContaining('"nosuchlink": the host has no such link'),
    ]);
  });

  test("one with a smaller MTU than the configuration has for pods", async () => {
    const config = call({ config: { datapath: "ipvlan", mtu: 1501, ipvlan: { master: "lo" } } }).config;
    const kernel = { searchPath: pathOn({}), deadline: AbortSignal.timeout(30_000) };
    const { details } = await rejected(ipvlanSettings(config, kernel));
    expect(details).toMatch(/mtu 1501 is more than the 1500 of ipvlan's master lo/);
  });
});
