// The programs that podwire runs, and their versions.
import { type Finding, fault, fine, warning } from "./finding.ts";
import { type Node, usesMasquerade } from "./node.ts";

/** Which package brings them, and what does not work without. */
const required = [
  ["nsenter", "util-linux", "no pod can be wired"],
  ["flock", "util-linux", "no overlay can be applied, and no pod of Open vSwitch be repaired"],
  ["tee", "coreutils", "IPv6 cannot be turned on in pods"],
  ["cat", "coreutils", "CHECK and status cannot read pods' settings"],
] as const;

export async function checkPrograms(node: Node): Promise<Finding[]> {
  return [
    await checkIp(node),
    await checkNft(node),
    ...required.map(([name, source, breaks]) => checkPresence(node, name, source, breaks)),
  ];
}

function checkPresence(node: Node, name: string, source: string, breaks: string): Finding {
  const found = node.find(name);
  if (found !== undefined) return fine(`program ${name}`, found);
  return missing(name, source, breaks);
}

async function checkIp(node: Node): Promise<Finding> {
  const said = await node.ask("ip", ["-V"]);
  const breaks = "no pod can be wired";
  if (said === undefined) return missing("ip", "iproute2", breaks);
  const found = `${node.find("ip")}: ${firstLine(said.stdout)}`;
  if (isIproute2Enough(said.stdout)) return fine("program ip", found);
  return fault("program ip", found, breaks, "install iproute2 4.18 or newer (BusyBox's ip is no substitute)");
}

async function checkNft(node: Node): Promise<Finding> {
  const said = await node.ask("nft", ["--version"]);
  const report = usesMasquerade(node) ? fault : warning;
  const breaks = "networks with ipMasq cannot be wired";
  if (said === undefined)
    return report("program nft", "not in PATH", breaks, "install the package nftables, 0.9.6 or newer");
  const found = `${node.find("nft")}: ${firstLine(said.stdout)}`;
  const version = /v([0-9.]+)/.exec(said.stdout)?.[1];
  if (version !== undefined && isAtLeastVersion(version, "0.9.6")) return fine("program nft", found);
  return report("program nft", found, breaks, "install nftables 0.9.6 or newer");
}

/** "iproute2-6.1.0", or before 5.7 the date of its kernel version: "iproute2-ss180813" is 4.18. */
export function isIproute2Enough(text: string): boolean {
  const [, date, version] = /iproute2-(?:ss([0-9]{6})|([0-9.]+))/.exec(text) ?? [];
  if (date !== undefined) return Number(date) >= 180813;
  return version !== undefined && isAtLeastVersion(version, "4.18");
}

/** Dotted numbers; what follows them does not count. */
export function isAtLeastVersion(version: string, least: string): boolean {
  const has = version.split(".").map((part) => Number.parseInt(part, 10) || 0);
  const wants = least.split(".").map(Number);
  const at = wants.findIndex((want, index) => (has[index] ?? 0) !== want);
  return at < 0 || (has[at] ?? 0) > (wants[at] ?? 0);
}

function missing(name: string, source: string, breaks: string): Finding {
  return fault(`program ${name}`, "not in PATH", breaks, `install the package ${source}`);
}

function firstLine(text: string): string {
  return text.split("\n")[0]?.trim() || "its version is unknown";
}
