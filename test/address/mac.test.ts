import { describe, expect, test } from "vitest";
import { isUnicastMac, linkLocalOf } from "../../src/address/mac.ts";

describe("a MAC address that an interface can have", () => {
  test.each(["0a:58:0a:f4:01:07", "0A:58:0A:F4:01:07", "00:00:00:00:00:01", "fe:ff:ff:ff:ff:ff"])(
    "is %s",
    (text) => {
      expect(isUnicastMac(text)).toBe(true);
    },
  );

  test("is decided by the lowest bit of the first octet alone", () => {
    for (let octet = 0; octet < 256; octet++) {
      const text = `${octet.toString(16).padStart(2, "0")}:00:00:00:00:01`;
      expect([text, isUnicastMac(text)]).toEqual([text, octet % 2 === 0]);
    }
  });

  test.each([
    ["all zero", "00:00:00:00:00:00"],
    ["broadcast", "ff:ff:ff:ff:ff:ff"],
    ["multicast", "01:00:5e:00:00:01"],
    ["short", "0a:58:0a:f4:01"],
    ["long", "0a:58:0a:f4:01:07:08"],
    ["with dashes", "0a-58-0a-f4-01-07"],
    ["with dots", "0a58.0af4.0107"],
    ["without separators", "0a580af40107"],
    ["with single digits", "a:58:a:f4:1:7"],
    ["not hexadecimal", "0a:58:0a:f4:01:0g"],
    ["with a line break", "0a:58:0a:f4:01:07\n"],
    ["with a blank", " 0a:58:0a:f4:01:07"],
    ["empty", ""],
  ])("is none that is %s", (_, text) => {
    expect(isUnicastMac(text)).toBe(false);
  });
});

test.each([
  ["0a:58:0a:f4:01:07", "fe80::858:aff:fef4:107"],
  ["02:00:00:00:00:01", "fe80::ff:fe00:1"],
  ["ee:70:77:00:00:01", "fe80::ec70:77ff:fe00:1"],
])("an interface with MAC %s has the link-local address %s", (mac, address) => {
  expect(linkLocalOf(mac)).toBe(address);
});
