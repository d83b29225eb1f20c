// What is wrong with a configured overlay.
import { CniError, ErrorCode } from "../cni/error.ts";
import type { OverlayConfig } from "../config/overlay.ts";

export function badPeers(details: string): CniError {
  return new CniError(ErrorCode.invalidConfig, "the overlay's peers are invalid", details);
}

export function badOverlay(details: string): CniError {
  return new CniError(ErrorCode.invalidConfig, "invalid overlay", details);
}

/** Throws for a key that this type could only pass over in silence. */
export function refuseKeys(config: OverlayConfig, keys: readonly (keyof OverlayConfig)[]): void {
  // What is not to be is not missed.
  const key = keys.find((name) => config[name] !== undefined && config[name] !== false);
  if (key === undefined) return;
  throw badOverlay(
    `overlay.${key} = ${JSON.stringify(config[key])}: ${config.type} has no such setting; remove it`,
  );
}
