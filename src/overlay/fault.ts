// What is wrong with a configured overlay.
import { CniError, ErrorCode } from "../cni/error.ts";

export function badPeers(details: string): CniError {
  return new CniError(ErrorCode.invalidConfig, "the overlay's peers are invalid", details);
}

export function badOverlay(details: string): CniError {
  return new CniError(ErrorCode.invalidConfig, "invalid overlay", details);
}
