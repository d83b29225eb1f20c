// The overlays by their names in a configuration.
import type { NetworkConfig } from "../config/network.ts";
import { geneve } from "./geneve.ts";
import { hostGw } from "./host-gw.ts";
import type { Overlay, OverlayType } from "./overlay.ts";
import { stt } from "./stt.ts";
import { vxlan } from "./vxlan.ts";

export const overlays: Readonly<Record<OverlayType, Overlay>> = { "host-gw": hostGw, vxlan, geneve, stt };

/** undefined where none is wanted. */
export function overlayOf({ overlay }: Pick<NetworkConfig, "overlay">): Overlay | undefined {
  return overlay === undefined || overlay.type === "none" ? undefined : overlays[overlay.type];
}

/** Devices that podwire may have made, also those of another type than the present one. */
export const overlayDevices: readonly string[] = Object.values(overlays).flatMap(
  ({ device }) => device ?? [],
);
