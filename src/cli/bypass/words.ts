// The words of `podwire bypass set` and `check`.
import { type Prefix, parsePrefix } from "../../address/ip.ts";
import { type BypassConfiguration, bypassModes } from "../../bypass/control.ts";
import { CniError, ErrorCode } from "../../cni/error.ts";
import type { Words } from "../command.ts";

/** As PODWIRE_BYPASS_MAX_LEASE and PODWIRE_BYPASS_MAX_TUNNELS. */
const most = { lease: 28800, tunnels: 8 };

/** Without what is excluded. */
export function configurationFrom(words: Words): Omit<BypassConfiguration, "excluded"> {
  const mode = bypassModes.find((known) => known === words.text("mode"));
  if (mode === undefined) throw invalid("mode", words.text("mode"), bypassModes.join(", "));
  const lease = words.text("lease") ?? "0";
  if (!/^[0-9]{1,5}$/.test(lease) || Number(lease) > most.lease)
    throw invalid("lease", lease, `seconds, at most ${most.lease}; 0 is for good`);
  return { mode, lease: Number(lease), ...trafficFrom(words) };
}

export type Traffic = Pick<BypassConfiguration, "pods" | "node" | "peers" | "tunnels">;

export function trafficFrom(words: Words): Traffic {
  return {
    pods: prefixList(words, "pods") ?? [],
    node: prefixList(words, "node") ?? [],
    peers: prefixList(words, "peers") ?? [],
    tunnels: tunnelsFrom(words.text("tunnels") ?? ""),
  };
}

/** undefined if it was not given; an empty text is an empty list. */
export function prefixList(words: Words, name: string): string[] | undefined {
  const text = words.text(name);
  if (text === undefined) return undefined;
  prefixesFrom(name, text);
  return split(text);
}

export function prefixesFrom(name: string, text: string): Prefix[] {
  return split(text).map((part) => {
    const prefix = parsePrefix(part);
    if (prefix === undefined)
      throw invalid(name, part, "prefixes such as 10.244.0.0/16, with commas between");
    return prefix;
  });
}

export function invalid(name: string, value: string | undefined, expected: string): CniError {
  return new CniError(
    ErrorCode.invalidConfig,
    `invalid --${name}`,
    `${JSON.stringify(value ?? "")}: expected ${expected}`,
  );
}

function tunnelsFrom(text: string): string[] {
  const tunnels = split(text);
  if (tunnels.length > most.tunnels) throw invalid("tunnels", text, `at most ${most.tunnels} of them`);
  return tunnels.map((tunnel) => {
    const [, port] = /^udp:([0-9]{1,5})$/.exec(tunnel) ?? [];
    if (port === undefined || Number(port) < 1 || Number(port) > 65535)
      throw invalid(
        "tunnels",
        tunnel,
        "udp:PORT, with a port from 1 to 65535; STT, which is like TCP, skips netfilter by itself",
      );
    return `udp ${Number(port)}`;
  });
}

function split(text: string): string[] {
  return text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}
