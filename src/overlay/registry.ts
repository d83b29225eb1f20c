// The overlays by their names in a configuration. stt follows with its kernel module.
import { geneve } from "./geneve.ts";
import { hostGw } from "./host-gw.ts";
import type { Overlay } from "./overlay.ts";
import { vxlan } from "./vxlan.ts";

export const overlays: Readonly<Record<string, Overlay>> = { "host-gw": hostGw, vxlan, geneve };

/** Devices that podwire may have made, also those of another type than the present one. */
export const overlayDevices: readonly string[] = Object.values(overlays).flatMap(
  ({ device }) => device ?? [],
);
