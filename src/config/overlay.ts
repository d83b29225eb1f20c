// The schema of `overlay`, in the conflist and in node.json, and of the file that peers may be kept in.
import * as z from "zod/mini";
import { sttOutputs } from "../plan/plan.ts";
import { absolutePath, ip, linkName, prefix, wholeNumber } from "./primitives.ts";

export const overlayTypes = ["none", "host-gw", "vxlan", "geneve", "stt"] as const;

/** The two bits below are congestion marks (RFC 3168 section 5). */
const multipleOf4 = "expected a multiple of 4 from 0 to 252";

const peer = z.strictObject({
  node: z.string().check(z.describe("its name, for messages")),
  address: ip.check(
    z.describe("its address on the underlay; one of this node's own means this node, and is left out"),
  ),
  address6: z
    .optional(ip)
    .check(z.describe("of a peer whose `address` is an IPv4 one: for host-gw's routes to IPv6 pods")),
  podCIDRs: z.array(prefix).check(z.describe("its pods' prefixes")),
});

export const peersSchema = z.array(peer);

export const overlaySchema = z.strictObject({
  type: z.enum(overlayTypes).check(z.describe("how packets travel between nodes; see overlays.md")),
  vni: z.optional(wholeNumber(1, 16777215)).check(z.describe("the same on all nodes; default 4096")),
  port: z
    .optional(wholeNumber(1, 65535))
    .check(
      z.describe(
        "UDP port, of stt TCP port, the same on all nodes; default 4789 for vxlan, 6081 for geneve, 7471 for stt",
      ),
    ),
  underlay: z
    .optional(
      z.union([linkName, ip], { error: "expected the name of a network interface, or an address of one" }),
    )
    .check(
      z.describe(
        "link to the other nodes, or the address of this node that they know it by; default the link of the default route",
      ),
    ),
  directRouting: z
    .optional(z.boolean())
    .check(z.describe("route to peers on the same link directly, tunnel only to others; default false")),
  mtu: z
    .optional(wholeNumber(576, 65535))
    .check(
      z.describe(
        "MTU of the overlay's device; default the underlay's less the overhead. Of stt it may be larger than the underlay's (overlays.md)",
      ),
    ),
  output: z
    .optional(z.enum(sttOutputs))
    .check(
      z.describe(
        "which of this node's netfilter sees the segments that it sends (stt only): `full`, `notrack` all but connection tracking, `none`; default `notrack`",
      ),
    ),
  udpcsum: z
    .optional(z.boolean())
    .check(z.describe("checksums in the outer UDP header (vxlan and geneve); default true")),
  sourcePorts: z
    .optional(
      z
        .string()
        .check(
          z.regex(/^[1-9][0-9]{0,4}-[1-9][0-9]{0,4}$/, { error: "expected FIRST-LAST such as 32768-60999" }),
        ),
    )
    .check(
      z.describe(
        "range of the outer source port (vxlan only, and not with datapath ovs); default the kernel's",
      ),
    ),
  tos: z
    .optional(
      z
        .number({ error: multipleOf4 })
        .check(z.refine((value) => value >= 0 && value <= 252 && value % 4 === 0, { error: multipleOf4 })),
    )
    .check(z.describe("of the outer header; default 0. Congestion marks are the inner packet's")),
  ttl: z
    .optional(wholeNumber(1, 255))
    .check(z.describe("of the outer header; default the host's, and 64 with geneve")),
  peerFilter: z
    .optional(z.boolean())
    .check(z.describe("accept tunnel packets from peers only; default true")),
  peers: z.optional(peersSchema).check(z.describe("the other nodes")),
  peersFile: z
    .optional(absolutePath)
    .check(z.describe("a file with further peers, as a JSON list like `peers`; may serve all nodes alike")),
});

export type OverlayConfig = z.infer<typeof overlaySchema>;
export type PeerConfig = z.infer<typeof peer>;
