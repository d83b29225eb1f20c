// Which datapath wires a network's pods on this node.
import { CniError, ErrorCode } from "../cni/error.ts";
import type { NetworkConfig } from "../config/network.ts";
import { requireFit } from "../overlay/fit.ts";
import { overlays } from "../overlay/registry.ts";
import type { Datapath } from "./datapath.ts";
import { datapaths } from "./registry.ts";
import { cannotWire } from "./routing.ts";

/** Throws code 7 for what the configuration's format knows but this version cannot do. */
export function datapathOf(config: NetworkConfig): Datapath {
  const overlay = config.overlay?.type ?? "none";
  if (overlay !== "none" && overlays[overlay] === undefined) {
    throw absent(`overlay.type = "${overlay}"`, ["none", ...Object.keys(overlays)]);
  }
  requireFit(config);
  refuseMasquerade(config);
  return datapaths[config.datapath ?? "veth"];
}

/** Of pods that the host does not see. */
function refuseMasquerade({ datapath, ipMasq, ipvlan = {} }: NetworkConfig): void {
  const { mode = "l3s", flag = "bridge" } = ipvlan;
  if (datapath !== "ipvlan" || ipMasq !== true || (mode === "l3s" && flag === "bridge")) return;
  throw cannotWire(
    "ipMasq needs the host's conntrack to see what pods send and what they get: with ipvlan only mode l3s and " +
      `flag bridge let it, not ${mode} ${flag}. Remove ipMasq, or change the mode`,
  );
}

function absent(what: string, available: readonly string[]): CniError {
  return new CniError(
    ErrorCode.invalidConfig,
    "invalid network configuration",
    `config: ${what} is not in this version of podwire; available: ${available.join(", ")}`,
  );
}
