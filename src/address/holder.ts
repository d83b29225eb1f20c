// Which of thousands of prefixes holds another one, by one look for each length that they have.
import { firstIp, formatPrefix, type Prefix } from "./ip.ts";

export type Holder = (inner: Prefix) => string | undefined;

/** `prefixes`: in canonical form, with their network addresses, none within another. */
export function holderAmong(prefixes: readonly string[]): Holder {
  const known = new Set(prefixes);
  const lengths = [...new Set(prefixes.map((text) => Number(text.slice(text.indexOf("/") + 1))))];
  return ({ ip, length: innerLength }) => {
    const lookedFor = lengths
      .filter((length) => length <= innerLength)
      .map((length) => formatPrefix({ ip: firstIp({ ip, length }), length }));
    return lookedFor.find((text) => known.has(text));
  };
}
