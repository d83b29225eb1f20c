import { describe, expect, test } from "vitest";
import { isUnicastMac } from "../../src/address/mac.ts";
import type { AttachmentName } from "../../src/datapath/datapath.ts";
import {
  derivedMac,
  hostLinkName,
  hostLinkPattern,
  linkAlias,
  parseLinkAlias,
} from "../../src/datapath/names.ts";
import { randomNumbers } from "../ipam/random.ts";

const random = randomNumbers(13);
const hex = (digits: number) => Array.from({ length: digits }, () => random(16).toString(16)).join("");

/** As runtimes name them, and as near to each other as names can be. */
function* names(count: number): Generator<AttachmentName> {
  for (let i = 0; i < count / 4; i++) {
    const containerID = hex(64);
    yield { network: "podnet", containerID, ifname: "eth0" };
    yield { network: "podnet", containerID, ifname: "eth1" };
    yield { network: "podnet", containerID: `pod${i}`, ifname: "eth0" };
    yield { network: `net${i}`, containerID: "pod", ifname: "eth0" };
  }
}

describe("the names that follow from an attachment's", () => {
  test("differ for 100,000 attachments and look like podwire's", () => {
    const links = new Set<string>();
    for (const name of names(100_000)) links.add(hostLinkName(name));
    expect(links.size).toBe(100_000);
    expect([...links].filter((link) => !hostLinkPattern.test(link) || link.length > 15)).toEqual([]);
  });

  test("are unicast, locally administered MAC addresses, different for 10,000 attachments", () => {
    const macs = new Set<string>();
    for (const name of names(10_000)) macs.add(derivedMac(name));
    expect(macs.size).toBe(10_000);
    expect([...macs].filter((mac) => !isUnicastMac(mac) || !mac.startsWith("0a:"))).toEqual([]);
  });

  test("stay what they are: DEL of a later version must find them", () => {
    const name = { network: "podnet", containerID: "pod1", ifname: "eth0" };
    expect([hostLinkName(name), derivedMac(name)]).toEqual(["pw73862bcce73ee", "0a:cc:e7:3e:ed:74"]);
  });

  test("depend on where one part ends and the next begins", () => {
    const split = (network: string, containerID: string, ifname: string) =>
      hostLinkName({ network, containerID, ifname });
    const links = [
      split("ab", "c", "d"),
      split("a", "bc", "d"),
      split("a", "b", "cd"),
      split("d", "c", "ab"),
    ];
    expect(new Set(links).size).toBe(4);
  });
});

test.each([
  "eth0",
  "pw",
  "pw0123456789ab",
  "pw0123456789abcd",
  "pw0123456789abC",
  "xpw0123456789abc",
  "pw0123456789abc\n",
])("%j is no host link of ours", (name) => {
  expect(hostLinkPattern.test(name)).toBe(false);
});

describe("a link's alias", () => {
  const longest = { network: "n".repeat(112), containerID: "c".repeat(112), ifname: "i".repeat(15) };

  test("tells whose link it is", () => {
    for (const name of [
      ...names(1000),
      longest,
      { network: "a.b-c_d", containerID: "x..y", ifname: "e@=+~.1" },
    ]) {
      expect(parseLinkAlias(linkAlias(name))).toEqual(name);
    }
  });

  test("fits into the 255 bytes that the kernel keeps, also with the longest names", () => {
    expect(Buffer.byteLength(linkAlias(longest))).toBeLessThanOrEqual(255);
  });

  test.each([
    "",
    "uplink",
    "podwire:",
    "podwire:podnet",
    "podwire:podnet/pod1",
    "podwire:podnet/pod1/",
    "podwire://eth0",
    "podwire:podnet/pod1/eth0/more",
    "podwire:../../etc/passwd",
    "Podwire:podnet/pod1/eth0",
    " podwire:podnet/pod1/eth0",
  ])("%j is nobody's", (alias) => {
    expect(parseLinkAlias(alias)).toBeUndefined();
  });
});
