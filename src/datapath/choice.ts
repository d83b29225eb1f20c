// Which datapath wires a network's pods on this node, and whether it can.
import { datapathNameOf, ipvlanOf, type NetworkConfig } from "../config/network.ts";
import { requireFit } from "../overlay/fit.ts";
import type { Datapath } from "./datapath.ts";
import { datapaths } from "./registry.ts";
import { cannotWire } from "./routing.ts";

/** Throws code 7 for settings that cannot work together. */
export function requireSupported(config: NetworkConfig): void {
  requireFit(config);
  refuseMasquerade(config);
}

export function datapathOf(config: NetworkConfig): Datapath {
  return datapaths[datapathNameOf(config)];
}

/** Of pods that the host does not see. */
function refuseMasquerade(config: NetworkConfig): void {
  const { mode, flag } = ipvlanOf(config);
  if (config.datapath !== "ipvlan" || config.ipMasq !== true || (mode === "l3s" && flag === "bridge")) return;
  throw cannotWire(
    "ipMasq needs the host's conntrack to see what pods send and what they get: with ipvlan only mode l3s and " +
      `flag bridge let it, not ${mode} ${flag}. Remove ipMasq, or change the mode`,
  );
}
