// Which prefix of many holds another one.
import { expect, test } from "vitest";
import { holderAmong } from "../../src/address/holder.ts";
import { parsePrefix } from "../../src/address/ip.ts";

const prefixes = ["10.244.2.0/24", "10.245.0.0/16", "192.0.2.7/32", "fd00:2::/64"];

test.each([
  ["10.244.2.128/25", "10.244.2.0/24"],
  ["10.244.2.7/32", "10.244.2.0/24"],
  ["10.244.2.0/24", "10.244.2.0/24"],
  ["10.245.3.0/24", "10.245.0.0/16"],
  ["192.0.2.7/32", "192.0.2.7/32"],
  ["fd00:2::7/128", "fd00:2::/64"],
  ["10.244.0.0/16", undefined],
  ["10.244.3.0/25", undefined],
  ["0.0.0.0/0", undefined],
  ["fd00:2::/48", undefined],
  ["::/0", undefined],
])("of %s it is %s", (inner, outer) => {
  const prefix = parsePrefix(inner);
  expect(prefix && holderAmong(prefixes)(prefix)).toBe(outer);
});
