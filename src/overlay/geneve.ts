// Geneve (RFC 8926): the successor that Open vSwitch and OVN prefer. Without options its header is as long as VXLAN's.
import { tunnel } from "./tunnel.ts";

export const geneve = tunnel({
  driver: "geneve",
  device: "pw-geneve",
  port: 6081,
  without: ["sourcePorts", "output"],
});
