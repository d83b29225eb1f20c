// The overlays by their names in a configuration.
import { geneve } from "./geneve.ts";
import { hostGw } from "./host-gw.ts";
import type { Overlay } from "./overlay.ts";
import { stt } from "./stt.ts";
import { vxlan } from "./vxlan.ts";

export const overlays: Readonly<Record<string, Overlay>> = { "host-gw": hostGw, vxlan, geneve, stt };

/** Devices that podwire may have made, also those of another type than the present one. */
export const overlayDevices: readonly string[] = Object.values(overlays).flatMap(
  ({ device }) => device ?? [],
);
