// The `ipam` section of host-local: the reference plugin's keys, and nothing else. An empty string stands
// for "absent" where the reference takes it so, because templates write such configurations.
import * as z from "zod/mini";
import { CniError, ErrorCode } from "../../cni/error.ts";
import { explain } from "../../config/load.ts";
import type { NetworkConfig } from "../../config/network.ts";
import { absolutePath, count, ipOrEmpty, prefix, wholeNumber } from "../../config/primitives.ts";

const rangeKeys = {
  subnet: prefix.check(z.describe("network the range lies in; its prefix length becomes the address's")),
  rangeStart: z
    .optional(ipOrEmpty)
    .check(z.describe("first address to give out; default the subnet's second address (.1)")),
  rangeEnd: z
    .optional(ipOrEmpty)
    .check(
      z.describe("last address to give out; default the subnet's last one, for IPv4 the last but one (.254)"),
    ),
  gateway: z
    .optional(ipOrEmpty)
    .check(
      z.describe("gateway put into the result, never given out; default the subnet's second address (.1)"),
    ),
};

const rangeSchema = z.strictObject(rangeKeys);
const rangeSetsSchema = z.array(z.array(rangeSchema));

const route = z.strictObject({
  dst: prefix.check(z.describe("destination network")),
  gw: z.optional(ipOrEmpty).check(z.describe("next hop; default the host")),
  mtu: z.optional(count).check(z.describe("MTU of the route in bytes")),
  advmss: z.optional(count).check(z.describe("MSS to advertise on the route, in bytes")),
  priority: z.optional(count).check(z.describe("metric; lower ones win")),
  table: z.optional(count).check(z.describe("routing table to put the route into")),
  scope: z
    .optional(wholeNumber(0, 255))
    .check(z.describe("kernel number of the scope: 0 global, 253 link, 254 host")),
});

export const hostLocalSchema = z.strictObject({
  type: z.literal("host-local"),
  name: z
    .optional(z.string())
    .check(z.describe("ignored: the network's name counts, as in the reference plugin")),
  ranges: z
    .optional(rangeSetsSchema)
    .check(z.describe("range sets; a pod gets one address of each set, for example one IPv4 and one IPv6")),
  subnet: z
    .optional(prefix)
    .check(
      z.describe(
        "old form of a single range: becomes the first range set, with rangeStart, rangeEnd, gateway",
      ),
    ),
  rangeStart: z.optional(ipOrEmpty).check(z.describe("see subnet")),
  rangeEnd: z.optional(ipOrEmpty).check(z.describe("see subnet")),
  gateway: z.optional(ipOrEmpty).check(z.describe("see subnet")),
  routes: z
    .optional(z.array(route))
    .check(z.describe("routes of the pod; on a routed datapath all go through its own gateway")),
  resolvConf: z
    .optional(z.string())
    .check(z.describe("file in the format of resolv.conf to take the DNS settings from")),
  dataDir: z
    .optional(z.union([z.literal(""), absolutePath], { error: "expected an absolute path" }))
    .check(
      z.describe("directory of the leases, one directory per network in it; default /var/lib/cni/networks"),
    ),
});

/** The parts of a network's configuration that are host-local's. */
export const networkPartsSchema = z.object({
  ipam: hostLocalSchema,
  runtimeConfig: z.nullish(z.object({ ipRanges: z.nullish(rangeSetsSchema) })),
});

/** All that DEL and GC need. */
export const storePartsSchema = z.object({ ipam: z.object({ dataDir: hostLocalSchema.shape.dataDir }) });

export type RangeConfig = z.infer<typeof rangeSchema>;
export type HostLocalSection = z.infer<typeof hostLocalSchema>;

export function parseParts<T>(schema: z.ZodMiniType<T>, config: NetworkConfig): T {
  const parsed = schema.safeParse(config);
  if (!parsed.success) throw explain(parsed.error, config, "config");
  return parsed.data;
}

/** For the rules that are no matter of a schema; `path` is where `value` stands in the configuration. */
export function configFault(path: string, value: unknown, expected: string): CniError {
  const found = value === undefined ? "is missing" : `= ${JSON.stringify(value)}`;
  return new CniError(
    ErrorCode.invalidConfig,
    "invalid network configuration",
    `config: ${path} ${found}: ${expected}; correct the network configuration`,
  );
}
