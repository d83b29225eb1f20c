// Addresses that mean something else than one interface behind a network: no node is known by one, and no pod has one.
import { type Family, firstIp, type Ip, lastIp, parsePrefix } from "../address/ip.ts";

export interface Reserved {
  readonly family: Family;
  readonly first: bigint;
  readonly last: bigint;
  /** "224.0.0.0/4, addresses of groups". */
  readonly text: string;
}

const meanings = {
  "0.0.0.0/8": "addresses of no host",
  "127.0.0.0/8": "addresses of each host itself",
  "169.254.0.0/16": "addresses of one link only",
  "224.0.0.0/4": "addresses of groups",
  "255.255.255.255/32": "the address of all hosts",
  "::/127": "addresses of no host and of each host itself",
  "fe80::/10": "addresses of one link only",
  "ff00::/8": "addresses of groups",
};

export const reserved: readonly Reserved[] = Object.entries(meanings).flatMap(([text, meaning]) => {
  const prefix = parsePrefix(text);
  if (prefix === undefined) return [];
  const range = { first: firstIp(prefix).value, last: lastIp(prefix).value };
  return [{ family: prefix.ip.family, ...range, text: `${text}, ${meaning}` }];
});

export function reservedAs({ family, value }: Ip): Reserved | undefined {
  return reserved.find((range) => range.family === family && range.first <= value && value <= range.last);
}
