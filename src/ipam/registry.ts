// Which IPAM serves a type.
import { delegated } from "./delegated.ts";
import { hostLocal } from "./host-local/host-local.ts";
import type { Ipam } from "./ipam.ts";

export function ipamOf(type: string): Ipam {
  return type === "host-local" ? hostLocal : delegated;
}
