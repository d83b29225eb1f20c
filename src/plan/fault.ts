// How what is there differs from what should be, and what cannot be made.
import { CniError, ErrorCode } from "../cni/error.ts";

export interface Fault {
  readonly expected: string;
  readonly found: string;
}

export function unequal(expected: string | number, found: string | number | undefined): Fault | undefined {
  if (expected === found) return undefined;
  return { expected: String(expected), found: found === undefined ? "nothing" : String(found) };
}

export function overlayUnusable(details: string): CniError {
  return new CniError(ErrorCode.overlayUnusable, "the overlay cannot be applied", details);
}

export function masterUnusable(details: string): CniError {
  return new CniError(ErrorCode.masterUnusable, "the ipvlan master cannot be used", details);
}

export function kernelRefused(details: string): CniError {
  return new CniError(ErrorCode.kernelRefused, "the kernel refused a part of the pod's network", details);
}
