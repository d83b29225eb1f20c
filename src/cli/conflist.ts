// Network configuration lists as runtimes read them from a directory, checked as the verbs would check them.
import fs from "node:fs";
import path from "node:path";
import { CniError, ErrorCode } from "../cni/error.ts";
import { parseDocument } from "../cni/input.ts";
import { checkVersion } from "../cni/versions.ts";
import { checkNetworkName, loadNodeDefaults, parseNetwork, withDefaults } from "../config/load.ts";
import type { NetworkConfig } from "../config/network.ts";
import { requireSupported } from "../datapath/choice.ts";
import { parseConfig } from "../ipam/host-local/config.ts";

export interface Conflist {
  readonly name: string;
  /** The plugins' types, in order. */
  readonly types: readonly string[];
  /** podwire's entries, as a runtime hands them over, with the node's defaults. */
  readonly networks: readonly Network[];
}

export interface Network {
  readonly config: NetworkConfig;
  readonly rawConfig: Record<string, unknown>;
}

/** What runtimes take for configurations, by its suffix; their order is the names'. */
const configurationFile = /\.(conflist|conf|json)$/;

/** Throws what ADD would throw, and code 7 for what libcni refuses in a list. */
export function parseConflist(text: string, source: string): Conflist {
  const document = parseDocument(text, source);
  const name = checkNetworkName(document["name"]);
  const plugins = pluginsOf(document, source);
  const networks = plugins
    .filter((plugin) => plugin["type"] === "podwire")
    .map((plugin) => checkedNetwork({ ...plugin, name, cniVersion: document["cniVersion"] }));
  return { name, types: plugins.map((plugin) => String(plugin["type"])), networks };
}

/** Names in the directory that runtimes read, in their order; none if there is no such directory. */
export function listConfigurations(directory: string): string[] {
  try {
    return fs
      .readdirSync(directory)
      .filter((name) => configurationFile.test(name))
      .sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

export function readConfiguration(directory: string, name: string): Conflist {
  const file = path.join(directory, name);
  return parseNamed(fs.readFileSync(file, "utf8"), file);
}

/** podwire's networks in a file. What others have there is theirs to judge, and need not be a configuration at all. */
export function readNetworks(directory: string, name: string): readonly Network[] {
  const file = path.join(directory, name);
  if (fs.statSync(file, { throwIfNoEntry: false })?.isDirectory() === true) return [];
  const text = fs.readFileSync(file, "utf8");
  return text.includes("podwire") ? parseNamed(text, file).networks : [];
}

function parseNamed(text: string, file: string): Conflist {
  try {
    return parseConflist(text, file);
  } catch (error) {
    if (!(error instanceof CniError) || error.details.includes(file)) throw error;
    throw new CniError(error.code, error.message, `${file}: ${error.details}`);
  }
}

/** A file with one plugin is a list of one to newer runtimes, and so it is here. */
function pluginsOf(document: Record<string, unknown>, source: string): Record<string, unknown>[] {
  const plugins = document["plugins"] ?? (document["type"] === undefined ? undefined : [document]);
  if (!Array.isArray(plugins) || plugins.length === 0) {
    throw invalid(`${source}: plugins is missing or empty; expected a list of plugins`);
  }
  for (const [index, plugin] of plugins.entries()) {
    const type: unknown = plugin?.type;
    if (typeof type === "string" && type !== "" && !type.includes("/")) continue;
    throw invalid(`${source}: plugins.${index}.type is missing or no name; expected a plugin's name`);
  }
  return plugins as Record<string, unknown>[];
}

function checkedNetwork(entry: Record<string, unknown>): Network {
  const { cniVersion, ...rest } = entry;
  const rawConfig = cniVersion === undefined ? rest : entry;
  checkVersion(cniVersion, "ADD");
  const config = withDefaults(parseNetwork(rawConfig), loadNodeDefaults());
  requireSupported(config);
  if (config.ipam.type === "host-local") parseConfig(config);
  return { config, rawConfig };
}

function invalid(details: string): CniError {
  return new CniError(ErrorCode.invalidConfig, "invalid network configuration", details);
}
