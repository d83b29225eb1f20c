// The network that the chains are made of: podwire with addresses of both families.
import { dualStackIpam } from "../fixture/calls.ts";
import type { CniVersion, Conflist, Entry, Result } from "../fixture/conflist.ts";

export const podwire: Entry = { type: "podwire", ipam: dualStackIpam };

/** A conflist with podwire first. */
export function podwireThen(cniVersion: CniVersion, ...others: Entry[]): Conflist {
  return { cniVersion, name: "podnet", plugins: [podwire, ...others] };
}

/** The pod's addresses without prefix length, IPv4 first. */
export function addressesOf(result: Result): [string, string] {
  const addresses = result.ips.map(({ address }) => address.split("/")[0] ?? address);
  return [
    addresses.find((address) => !address.includes(":")) ?? "",
    addresses.find((address) => address.includes(":")) ?? "",
  ];
}

/** The host's end of the pod's veth pair. */
export function hostLinkOf(result: Result): string {
  const link = result.interfaces.find(({ name, sandbox }) => name.startsWith("pw") && !sandbox);
  if (link === undefined)
    throw new Error(`the result has no host link: ${JSON.stringify(result.interfaces)}`);
  return link.name;
}
