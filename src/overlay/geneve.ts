// Geneve (RFC 8926): the successor that Open vSwitch and OVN prefer. Without options its header is as long as VXLAN's.
import { tunnel } from "./tunnel.ts";

export const geneve = tunnel({
  driver: "geneve",
  device: "pw-geneve",
  port: 6081,
  // A route's 0, which means the host's default to vxlan, geneve sends as it is (geneve_xmit_skb), and no router forwards that.
  ttl: 64,
  without: ["sourcePorts", "output"],
});
