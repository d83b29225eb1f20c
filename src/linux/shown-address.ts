// Addresses as `ip -json -Numeric address show` tells of them.

export interface ShownAddress {
  readonly local: string;
  readonly prefixlen: number;
  /** "0": global. */
  readonly scope: string;
  readonly deprecated?: boolean;
  readonly temporary?: boolean;
  readonly secondary?: boolean;
  /** Not known yet, or known not, to be nobody else's: the kernel sends nothing from it. */
  readonly tentative?: boolean;
  readonly dadfailed?: boolean;
}

/** Those by which other machines may know this one for good, in the kernel's order. */
export function sourcesOf(addresses: readonly ShownAddress[]): string[] {
  const isLasting = ({ scope, deprecated, temporary, tentative, dadfailed }: ShownAddress) =>
    scope === "0" && !deprecated && !temporary && !tentative && !dadfailed;
  return addresses.filter(isLasting).map(({ local }) => local);
}
