// Sees to it that the overlay of an ADD's network is there. That is one read and one look at a file when it is, and only else is
// loaded what applies it.
import type { NetworkConfig } from "../config/network.ts";
import { wants } from "../node/declared.ts";
import { distrustStamp, freshStamp } from "../node/stamp.ts";
import { type Call, kernelOf } from "./call.ts";

/** Returns the MTU that pods can have; undefined without an overlay. */
export async function ensureOverlay(call: Call): Promise<number | undefined> {
  const network: NetworkConfig = call.config;
  if (!wants(network.overlay)) return undefined;
  const fresh = freshStamp(network);
  if (fresh !== undefined) return fresh.mtu;
  const { applyNetwork } = await import("../node/network-overlay.ts");
  const { mtu } = await applyNetwork(network, kernelOf(call), call.log);
  return mtu;
}

/** The same where what is known of it need not be so any more. */
export function renewOverlay(call: Call): Promise<number | undefined> {
  distrustStamp(call.config.name);
  return ensureOverlay(call);
}
