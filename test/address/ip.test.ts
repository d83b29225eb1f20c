// Addresses against generated values. The oracle of RFC 5952 is the serializer of WHATWG URLs, which shares
// nothing with ours.
import net from "node:net";
import { describe, expect, test } from "vitest";
import {
  addressBits,
  type Family,
  firstIp,
  formatIp,
  formatPrefix,
  hostPrefix,
  type Ip,
  lastIp,
  type Prefix,
  parseIp,
  parsePrefix,
  prefixContains,
  prefixCovers,
  withLength,
} from "../../src/address/ip.ts";
import { randomNumbers } from "../ipam/random.ts";

const random = randomNumbers(5952);
const families = [4, 6] as const;

/** Half of the groups are zero, so that runs of zeros of all lengths and places come up. */
function randomIp(family: Family): Ip {
  const groups = Array.from({ length: addressBits(family) / 16 }, () => (random(2) ? random(65536) : 0));
  return { family, value: groups.reduce((sum, group) => (sum << 16n) | BigInt(group), 0n) };
}

const randomPrefix = (family: Family): Prefix => ({
  ip: randomIp(family),
  length: random(addressBits(family) + 1),
});

const groupsOf = ({ value }: Ip) =>
  Array.from({ length: 8 }, (_, i) => (value >> BigInt(112 - 16 * i)) & 0xffffn);
/** These are read as IPv4. */
const isMapped = ({ value }: Ip) => value >> 32n === 0xffffn;
const size = ({ ip, length }: Prefix) => 1n << BigInt(addressBits(ip.family) - length);
const parse = (text: string) => parseIp(text) ?? expect.fail(`${text} is an address`);
const parseNetwork = (text: string) => parsePrefix(text) ?? expect.fail(`${text} is a prefix`);

describe("an address", () => {
  test("is the same after formatting and parsing, in both families", () => {
    for (let i = 0; i < 4000; i++) {
      const ip = randomIp(families[i % 2] ?? 4);
      if (ip.family === 4 || !isMapped(ip)) expect(parseIp(formatIp(ip))).toEqual(ip);
    }
  });

  test("is read from full, upper case and zero-padded groups", () => {
    for (let i = 0; i < 500; i++) {
      const ip = randomIp(6);
      if (isMapped(ip)) continue;
      const groups = groupsOf(ip).map((group) => group.toString(16));
      expect(parseIp(groups.join(":"))).toEqual(ip);
      expect(parseIp(groups.map((group) => group.padStart(4, "0").toUpperCase()).join(":"))).toEqual(ip);
    }
  });

  test("of IPv6 is written as RFC 5952 says", () => {
    for (let i = 0; i < 4000; i++) {
      const ip = randomIp(6);
      const groups = groupsOf(ip).map((group) => group.toString(16));
      expect(`[${formatIp(ip)}]`).toBe(new URL(`http://[${groups.join(":")}]/`).hostname);
    }
  });

  test.each([
    ["2001:0db8:0000:0000:0000:ff00:0042:8329", "2001:db8::ff00:42:8329"],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
    ["2001:DB8::AAAA", "2001:db8::aaaa"],
    ["0:0:0:0:0:0:0:0", "::"],
    ["::1", "::1"],
    ["1::", "1::"],
    ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
    ["255.255.255.255", "255.255.255.255"],
    ["0.0.0.0", "0.0.0.0"],
  ])("%s becomes %s", (text, canonical) => {
    expect(formatIp(parse(text))).toBe(canonical);
  });

  test.each(["::ffff:10.1.2.3", "::ffff:a01:203", "::FFFF:0a01:0203", "0:0:0:0:0:ffff:10.1.2.3"])(
    "%s, mapped into IPv6, is 10.1.2.3",
    (text) => {
      expect(parseIp(text)).toEqual(parse("10.1.2.3"));
    },
  );

  test("of the long dead IPv4-compatible form stays IPv6, as in Go", () => {
    expect(parseIp("::10.0.0.1")).toEqual({ family: 6, value: 0x0a000001n });
  });
});

describe("no address", () => {
  test.each([
    ["nothing", ["", " ", "\0"]],
    ["blanks around", [" 10.0.0.1", "10.0.0.1 ", "10.0.0.1\n", "::1\n", "\t::1"]],
    ["a zone", ["fe80::1%eth0", "fe80::1%", "10.0.0.1%eth0", "::ffff:10.0.0.1%1"]],
    ["octal or padded numbers", ["010.0.0.1", "10.00.0.1", "10.0.0.01", "1.2.3.004"]],
    ["hexadecimal numbers", ["0x0a.0.0.1", "0x0a000001", "10.0.0.0x1"]],
    [
      "fewer or more than four numbers",
      ["10.1", "10", "167772161", "10.0.0", "10.0.0.0.1", "10..0.1", "10.0.0."],
    ],
    ["numbers out of range", ["256.0.0.1", "10.0.0.256", "-1.0.0.1", "1e1.0.0.1", "10.0.0.99999999999"]],
    [
      "two gaps or too many groups",
      ["1::2::3", ":::", "1:2:3:4:5:6:7:8:9", "1:2:3:4::5:6:7:8", "::1:2:3:4:5:6:7:8"],
    ],
    ["too few groups or stray colons", ["1:2:3:4:5:6:7", ":1:2:3:4:5:6:7", "1:2:3:4:5:6:7:", ":", "1:2"]],
    ["groups that are no hexadecimal numbers", ["12345::", "00001::", "g::", "::-1", "::0x1", "::1.5"]],
    [
      "an IPv4 tail that is no address",
      ["::ffff:1.2.3", "::ffff:1.2.3.256", "1:2:3:4:5:6:7:1.2.3.4", "::1.2.3.4:5"],
    ],
    ["octal in an IPv4 tail", ["::ffff:010.0.0.1", "1::1.2.3.004", "::01.2.3.4"]],
    ["hexadecimal in an IPv4 tail", ["::ffff:0x7f.0.0.1", "1::0xa.2.3.4"]],
    ["brackets, ports, prefix lengths", ["[::1]", "10.0.0.1:80", "10.0.0.1/32", "::1/128"]],
    ["other digits", ["１０.0.0.1", "١.0.0.1", "10。0.0.1"]],
  ])("has %s", (_, texts) => {
    expect(texts.filter((text) => parseIp(text) !== undefined)).toEqual([]);
  });

  test("is let through that Node's own parser refuses, among generated texts", () => {
    const alphabet = "0123456789abf:.::%x/ ";
    for (let i = 0; i < 20_000; i++) {
      const text = Array.from({ length: 1 + random(14) }, () => alphabet[random(alphabet.length)]).join("");
      const isAddress = net.isIP(text) !== 0 && !text.includes("%");
      expect([text, parseIp(text) !== undefined]).toEqual([text, isAddress]);
    }
  });
});

describe("a prefix", () => {
  test("keeps its host bits through parsing and formatting", () => {
    expect(formatPrefix(parseNetwork("10.1.2.3/8"))).toBe("10.1.2.3/8");
    for (let i = 0; i < 1000; i++) {
      const prefix = randomPrefix(families[i % 2] ?? 4);
      if (prefix.ip.family === 4 || !isMapped(prefix.ip)) {
        expect(parsePrefix(formatPrefix(prefix))).toEqual(prefix);
      }
    }
  });

  test.each([
    "10.0.0.0",
    "10.0.0.0/",
    "/24",
    "10.0.0.0/33",
    "::/129",
    "10.0.0.0/024",
    "10.0.0.0/+24",
    "10.0.0.0/-1",
    "10.0.0.0/2.4",
    "10.0.0.0/1e1",
    "10.0.0.0/ 24",
    "10.0.0.0/24 ",
    "10.0.0.0/24\n",
    "10.0.0.0/255.255.255.0",
    "10.0.0.0/24/24",
    "10.0.0.0/9999999999",
    "fe80::%eth0/64",
    "::ffff:10.0.0.0/120",
  ])("is not %j", (text) => {
    expect(parsePrefix(text)).toBeUndefined();
  });

  test("holds exactly the addresses from its first to its last", () => {
    for (let i = 0; i < 1000; i++) {
      const prefix = randomPrefix(families[i % 2] ?? 4);
      const { family } = prefix.ip;
      const first = firstIp(prefix);
      const last = lastIp(prefix);
      expect(last.value - first.value).toBe(size(prefix) - 1n);
      expect(first.value % size(prefix)).toBe(0n);
      for (const value of [first.value, last.value, prefix.ip.value]) {
        expect(prefixContains(prefix, { family, value })).toBe(true);
      }
      if (first.value > 0n) expect(prefixContains(prefix, { family, value: first.value - 1n })).toBe(false);
      if (last.value + 1n < 1n << BigInt(addressBits(family))) {
        expect(prefixContains(prefix, { family, value: last.value + 1n })).toBe(false);
      }
    }
  });

  test("covers another exactly if it holds its first and its last address", () => {
    for (let i = 0; i < 2000; i++) {
      const inner = randomPrefix(families[i % 2] ?? 4);
      const near = { ip: inner.ip, length: random(addressBits(inner.ip.family) + 1) };
      for (const outer of [near, randomPrefix(families[random(2)] ?? 4)]) {
        const holdsBoth = prefixContains(outer, firstIp(inner)) && prefixContains(outer, lastIp(inner));
        expect(prefixCovers(outer, inner)).toBe(holdsBoth);
      }
    }
  });

  test("of one family holds nothing of the other, though the numbers agree", () => {
    expect(prefixContains(parseNetwork("0.0.0.0/0"), parse("::1"))).toBe(false);
    expect(prefixContains(parseNetwork("::/0"), parse("10.0.0.1"))).toBe(false);
    expect(prefixCovers(parseNetwork("::/0"), parseNetwork("10.0.0.0/8"))).toBe(false);
  });

  test("of one address has the full length of its family", () => {
    expect(hostPrefix(parse("10.1.2.3"))).toBe("10.1.2.3/32");
    expect(hostPrefix(parse("FD00::1"))).toBe("fd00::1/128");
  });
});

test.each([
  ["10.1.2.3", "10.1.2.3/32"],
  ["fd00::1", "fd00::1/128"],
  ["10.1.2.0/24", "10.1.2.0/24"],
  ["fd00::/8", "fd00::/8"],
])("%s has the length that %s says", (text, prefix) => {
  expect(withLength(text)).toBe(prefix);
});
