// VXLAN (RFC 7348): what every kernel and most network cards know.
import { tunnel } from "./tunnel.ts";

export const vxlan = tunnel({ driver: "vxlan", device: "pw-vxlan", port: 4789, without: ["output"] });
