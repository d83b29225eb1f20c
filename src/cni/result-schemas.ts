// The shapes of results, for those that come from outside: prevResult and delegated plugins. Made when
// first needed, because most calls need none and whatever exists at start costs every call.
import * as z from "zod/mini";
import { count, ipOrEmpty, prefix, wholeNumber } from "../config/primitives.ts";

const dns = () =>
  z.nullish(
    z.object({
      nameservers: z.nullish(z.array(z.string())),
      domain: z.nullish(z.string()),
      search: z.nullish(z.array(z.string())),
      options: z.nullish(z.array(z.string())),
    }),
  );

const legacyIp = () =>
  z.nullish(
    z.object({
      ip: prefix,
      gateway: z.nullish(ipOrEmpty),
      routes: z.nullish(z.array(z.object({ dst: prefix, gw: z.nullish(ipOrEmpty) }))),
    }),
  );

export const legacySchema = () => z.object({ ip4: legacyIp(), ip6: legacyIp(), dns: dns() });

export const modernSchema = () =>
  z.object({
    interfaces: z.nullish(
      z.array(
        z.object({
          name: z.string(),
          mac: z.nullish(z.string()),
          mtu: z.nullish(count),
          sandbox: z.nullish(z.string()),
          socketPath: z.nullish(z.string()),
          pciID: z.nullish(z.string()),
        }),
      ),
    ),
    ips: z.nullish(
      z.array(z.object({ address: prefix, gateway: z.nullish(ipOrEmpty), interface: z.nullish(count) })),
    ),
    routes: z.nullish(
      z.array(
        z.object({
          dst: prefix,
          gw: z.nullish(ipOrEmpty),
          mtu: z.nullish(count),
          advmss: z.nullish(count),
          priority: z.nullish(count),
          table: z.nullish(count),
          scope: z.nullish(wholeNumber(0, 255)),
        }),
      ),
    ),
    dns: dns(),
  });

export type LegacyResult = z.infer<ReturnType<typeof legacySchema>>;
export type ModernResult = z.infer<ReturnType<typeof modernSchema>>;
