// Which datapath wires a network's pods on this node.
import { CniError, ErrorCode } from "../cni/error.ts";
import type { NetworkConfig } from "../config/network.ts";
import { requireFit } from "../overlay/fit.ts";
import { overlays } from "../overlay/registry.ts";
import type { Datapath } from "./datapath.ts";
import { datapaths } from "./registry.ts";

/** Throws code 7 for what the configuration's format knows but this version cannot do. */
export function datapathOf(config: NetworkConfig): Datapath {
  const overlay = config.overlay?.type ?? "none";
  if (overlay !== "none" && overlays[overlay] === undefined) {
    throw absent(`overlay.type = "${overlay}"`, ["none", ...Object.keys(overlays)]);
  }
  requireFit(config);
  return datapaths[config.datapath ?? "veth"];
}

function absent(what: string, available: readonly string[]): CniError {
  return new CniError(
    ErrorCode.invalidConfig,
    "invalid network configuration",
    `config: ${what} is not in this version of podwire; available: ${available.join(", ")}`,
  );
}
