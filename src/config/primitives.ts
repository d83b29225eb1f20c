// The values that configurations and results are made of. zod/mini, here and in all schemas: its objects
// carry no methods, which saves 5 ms of every process start (they are part of the startup snapshot).
import * as z from "zod/mini";
import en from "zod/v4/locales/en.js";
import { parseIp, parsePrefix } from "../address/ip.ts";
import { isUnicastMac } from "../address/mac.ts";

// Compiling a parser for each schema pays off after many documents; a call parses one.
z.config({ ...en(), jitless: true });

export const ip = z
  .string()
  .check(
    z.refine((text) => parseIp(text) !== undefined, { error: "expected an IP address such as 10.244.1.10" }),
  );

export const ipOrEmpty = z.union([z.literal(""), ip], {
  error: "expected an IP address such as 10.244.1.10",
});

export const prefix = z
  .string()
  .check(z.refine(isPrefix, { error: "expected a network with prefix length such as 10.244.1.0/24" }));

export const mac = z
  .string()
  .check(z.refine(isUnicastMac, { error: "expected a unicast MAC address such as 0a:58:0a:f4:01:07" }));

export const linkName = z.string().check(
  z.regex(/^(?!all$|default$)[a-zA-Z0-9_.@+=~][a-zA-Z0-9_.@+=~-]{0,14}$/, {
    error: "expected the name of a network interface",
  }),
);

export const absolutePath = z.string().check(z.regex(/^\//, { error: "expected an absolute path" }));

/** A count that the kernel takes as unsigned 32 bit. */
export const count = wholeNumber(0, 4294967295);

export function wholeNumber(least: number, most: number) {
  return z.number({ error: `expected a whole number from ${least} to ${most}` }).check(
    z.refine((value) => Number.isInteger(value) && value >= least && value <= most, {
      error: `expected a whole number from ${least} to ${most}`,
    }),
  );
}

/** Not in the IPv4-mapped form, whose prefix length would count other bits than it seems to. */
function isPrefix(text: string): boolean {
  const parsed = parsePrefix(text);
  return parsed !== undefined && (parsed.ip.family === 6 || !text.includes(":"));
}
