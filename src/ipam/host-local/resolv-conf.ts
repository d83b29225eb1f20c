// DNS settings from a file in the format of resolv.conf, read as leniently as the reference plugin does.
import { CniError, ErrorCode } from "../../cni/error.ts";
import type { Dns } from "../../cni/result.ts";
import { readRegularFile } from "../../linux/files.ts";

export function readResolvConf(file: string): Dns {
  try {
    return parseResolvConf(readRegularFile(file));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const details = `ipam.resolvConf is ${JSON.stringify(file)}: ${reason}. Create the file or remove the key`;
    throw new CniError(ErrorCode.io, "DNS settings cannot be read", details, { cause });
  }
}

function parseResolvConf(text: string): Dns {
  const lists = { nameserver: [] as string[], search: [] as string[], options: [] as string[] };
  let domain = "";
  for (const line of text.split("\n").map((raw) => raw.trim())) {
    const [key, first, ...rest] = line.split(/\s+/);
    if (first === undefined || line.startsWith("#") || line.startsWith(";")) continue;
    if (key === "nameserver") lists.nameserver.push(first);
    else if (key === "domain") domain = first;
    else if (key === "search" || key === "options") lists[key].push(first, ...rest);
  }
  return {
    ...(lists.nameserver.length > 0 && { nameservers: lists.nameserver }),
    ...(domain !== "" && { domain }),
    ...(lists.search.length > 0 && { search: lists.search }),
    ...(lists.options.length > 0 && { options: lists.options }),
  };
}
