// CNI_ARGS: "KEY=VALUE;KEY=VALUE". Keys that the field's runtimes and plugins use are known;
// any other is refused unless IgnoreUnknown is true, as the reference library does.
import { parseIp, parsePrefix } from "../address/ip.ts";
import { isUnicastMac } from "../address/mac.ts";
import { CniError, ErrorCode } from "./error.ts";

export interface CniArgs {
  /** Requested addresses of `IP=`, without prefix length. */
  readonly ips: readonly string[];
  readonly mac?: string;
  readonly podName?: string;
  readonly podNamespace?: string;
  readonly podUid?: string;
  /** The logical port of OVN that the interface is to be, as ovs-cni names the key. */
  readonly ovnPort?: string;
}

/** GATEWAY belongs to the reference `static` IPAM, which gets CNI_ARGS from us. */
const otherKnownKeys = /^(GATEWAY|K8S_POD_[A-Z_]+)$/;

export function parseCniArgs(text: string): CniArgs {
  const pairs = parsePairs(text);
  const ignoreUnknown = isTrue(pairs.get("IgnoreUnknown"));
  const known = new Set(["IgnoreUnknown", "IP", "MAC", "OvnPort"]);
  const unknown = [...pairs.keys()].filter((key) => !known.has(key) && !otherKnownKeys.test(key));
  if (unknown.length > 0 && !ignoreUnknown) {
    throw invalid(
      `unknown key ${JSON.stringify(unknown[0])}; expected one of IP, MAC, GATEWAY, K8S_POD_*, OvnPort, IgnoreUnknown. ` +
        "Remove it or add IgnoreUnknown=true",
    );
  }
  const ips = (pairs.get("IP") || undefined)?.split(",").map(parseRequestedIp) ?? [];
  return {
    ips,
    ...optional("mac", checkMac(pairs.get("MAC"))),
    ...optional("podName", pairs.get("K8S_POD_NAME")),
    ...optional("podNamespace", pairs.get("K8S_POD_NAMESPACE")),
    ...optional("podUid", pairs.get("K8S_POD_UID")),
    ...optional("ovnPort", pairs.get("OvnPort")),
  };
}

function parsePairs(text: string): Map<string, string> {
  const pairs = new Map<string, string>();
  for (const pair of text.split(";").filter((part) => part !== "")) {
    const at = pair.indexOf("=");
    if (at <= 0) throw invalid(`${JSON.stringify(pair)} is not KEY=VALUE; separate pairs by semicolons`);
    pairs.set(pair.slice(0, at), pair.slice(at + 1));
  }
  return pairs;
}

function parseRequestedIp(text: string): string {
  const address = text.trim();
  if (parseIp(address) === undefined && parsePrefix(address) === undefined) {
    throw invalid(`IP=${JSON.stringify(address)} is not an IP address; expected for example 10.244.1.7`);
  }
  return address.split("/")[0] ?? address;
}

function checkMac(text: string | undefined): string | undefined {
  if (text === undefined || text === "" || isUnicastMac(text)) return text;
  throw invalid(
    `MAC=${JSON.stringify(text)} is not a unicast MAC address; expected for example 0a:58:0a:f4:01:07`,
  );
}

function isTrue(value: string | undefined): boolean {
  if (value === undefined || /^(0|f|false)$/i.test(value)) return false;
  if (/^(1|t|true)$/i.test(value)) return true;
  throw invalid(`IgnoreUnknown=${JSON.stringify(value)}; expected true or false`);
}

function optional<K extends string>(key: K, value: string | undefined): { [P in K]?: string } {
  return (value === undefined || value === "" ? {} : { [key]: value }) as { [P in K]?: string };
}

function invalid(details: string): CniError {
  return new CniError(ErrorCode.invalidEnvironment, "invalid CNI_ARGS", `CNI_ARGS: ${details}`);
}
