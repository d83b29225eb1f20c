// The network configurations as runtimes will read them, and how full their address ranges are.
import fs from "node:fs";
import path from "node:path";
import { toCniError } from "../../cni/error.ts";
import type { NetworkConfig } from "../../config/network.ts";
import { parseConfig } from "../../ipam/host-local/config.ts";
import { listNames } from "../../ipam/host-local/store.ts";
import { describeUsage, isExhausted, setUsage } from "../../ipam/host-local/usage.ts";
import { type Finding, fault, fine, unchecked, warning } from "./finding.ts";
import type { Configuration, Node } from "./node.ts";

/** Of a range set, from which on it is worth a word. */
const nearlyFull = 0.9;

export async function checkNetworks(node: Node): Promise<Finding[]> {
  if (node.confDirFault !== undefined) return [unchecked("configurations", node.confDirFault)];
  return [
    ...node.configurations.flatMap((configuration) => checkConfiguration(configuration, node)),
    ...checkPrecedence(node),
    ...node.networks.flatMap(checkAddresses),
  ];
}

function checkConfiguration({ file, fault: refusal, list }: Configuration, node: Node): Finding[] {
  const check = `configuration ${file}`;
  if (list === undefined) {
    const isOurs = mentionsPodwire(path.join(node.confDir, file));
    const report = isOurs ? fault : warning;
    const breaks = isOurs ? "no pod can be wired by it" : "runtimes may stop at it";
    return [report(check, refusal ?? "", breaks, "correct it or take it away")];
  }
  if (list.networks.length === 0) return [];
  const types = [
    ...list.types,
    ...list.networks.map(({ config }) => config.ipam.type).filter((type) => type !== "host-local"),
  ];
  const absent = types.filter((type) => !isExecutable(path.join(node.binDir, type)));
  if (absent.length === 0) return [fine(check, `network ${list.name}: ${list.types.join(", ")}`)];
  return [
    fault(
      check,
      `${absent.join(", ")} not in ${node.binDir}`,
      `no pod of network ${list.name} can be wired`,
      absent.includes("podwire") ? "podwire install" : "install the reference CNI plugins",
    ),
  ];
}

/** containerd and CRI-O take the first file alone. */
function checkPrecedence({ configurations, confDir }: Node): Finding[] {
  const check = "first configuration";
  const [first] = configurations;
  const ours = configurations.find(({ list }) => (list?.networks.length ?? 0) > 0);
  if (ours === undefined) {
    const breaks = "runtimes do not call podwire";
    return [warning(check, `no podwire network in ${confDir}`, breaks, "podwire install --conf FILE")];
  }
  if (first === ours || first === undefined) return [fine(check, ours.file)];
  return [
    warning(
      check,
      `${first.file} comes before ${ours.file}`,
      "runtimes that take the first file, as containerd and CRI-O do, do not call podwire",
      `move it away, or give ${ours.file} a name that sorts before it`,
    ),
  ];
}

function checkAddresses(network: NetworkConfig): Finding[] {
  if (network.ipam.type !== "host-local") return [];
  const check = `addresses of network ${network.name}`;
  try {
    const { directory, rangeSets } = parseConfig(network);
    const names = listNames(directory);
    return rangeSets.map((set) => {
      const found = describeUsage(set, names);
      if (isExhausted(set, names)) {
        return fault(
          check,
          found,
          "no more pods can be wired",
          "podwire gc; remove pods, or widen ipam.ranges",
        );
      }
      const used = setUsage(set, names).reduce((sum, range) => sum + range.used, 0);
      const total = setUsage(set, names).reduce((sum, range) => sum + range.total, 0n);
      if (used < nearlyFull * Number(total)) return fine(check, found);
      return warning(check, found, "soon no more pods can be wired", "podwire gc; or widen ipam.ranges");
    });
  } catch (error) {
    return [unchecked(check, toCniError(error).details)];
  }
}

function mentionsPodwire(file: string): boolean {
  try {
    return fs.readFileSync(file, "utf8").includes('"podwire"');
  } catch {
    return true;
  }
}

function isExecutable(file: string): boolean {
  try {
    fs.accessSync(file, fs.constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
