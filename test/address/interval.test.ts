// Ranges of addresses, against a model that counts single addresses.
import { describe, expect, test } from "vitest";
import { covers, mergeIntervals, parseInterval } from "../../src/address/interval.ts";

const intervals = (...texts: string[]) => texts.flatMap((text) => parseInterval(text) ?? []);

describe("an interval", () => {
  test.each([
    ["10.0.0.0/8", 4, 0x0a000000n, 0x0affffffn],
    ["10.0.0.7", 4, 0x0a000007n, 0x0a000007n],
    ["10.244.0.0-10.244.2.255", 4, 0x0af40000n, 0x0af402ffn],
    ["fd00::-fd00::ff", 6, 0xfd000000000000000000000000000000n, 0xfd0000000000000000000000000000ffn],
  ])("is read from %s", (text, family, first, last) => {
    expect(parseInterval(text)).toEqual({ family, first, last });
  });

  test.each(["", "-", "10.0.0.1-", "10.0.0.9-10.0.0.1", "10.0.0.1-fd00::1", "1-2-3", "10.0.0.0/33"])(
    "is not read from %j",
    (text) => {
      expect(parseInterval(text)).toBeUndefined();
    },
  );
});

describe("merged intervals", () => {
  test("join what touches or overlaps, and nothing else", () => {
    const merged = mergeIntervals(
      intervals("10.0.2.0/24", "10.0.0.0/24", "10.0.1.0/24", "10.0.4.0/24", "fd00::/64"),
    );
    expect(merged).toEqual(intervals("10.0.0.0-10.0.2.255", "10.0.4.0/24", "fd00::/64"));
  });

  test("hold exactly the addresses of their parts", () => {
    for (let seed = 1; seed < 200; seed++) {
      const parts = [0, 1, 2].map((index) => {
        const first = BigInt((seed * (index + 3) * 7919) % 40);
        return { family: 4 as const, first, last: first + BigInt((seed * (index + 1)) % 9) };
      });
      const merged = mergeIntervals(parts);
      for (let address = 0n; address < 60n; address++) {
        const one = { family: 4 as const, first: address, last: address };
        expect(covers(merged, one)).toBe(parts.some((part) => covers([part], one)));
      }
    }
  });

  test("do not cover addresses of the other family", () => {
    expect(covers(intervals("::/0"), intervals("10.0.0.0/8")[0] as never)).toBe(false);
  });
});
