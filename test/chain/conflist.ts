// Runs a conflist the way libcni (1.1) does for a container runtime: which plugins, in which order, with
// what configuration. So the tests see exactly what podwire and its neighbours in a chain are given.
import { existsSync } from "node:fs";
import path from "node:path";
import { type CniAnswer, cni } from "../fixture/calls.ts";
import { executable, referencePluginDir, type TestNode } from "../fixture/node.ts";

export type CniVersion = "0.3.1" | "0.4.0" | "1.0.0";

/** What Debian 12's reference plugins speak and a chain can be run with. */
export const versions: readonly CniVersion[] = ["0.3.1", "0.4.0", "1.0.0"];

export interface Conflist {
  readonly cniVersion: CniVersion;
  readonly name: string;
  readonly plugins: readonly Entry[];
}

export interface Entry {
  readonly type: string;
  readonly capabilities?: Readonly<Record<string, boolean>>;
  readonly [key: string]: unknown;
}

/** libcni's RuntimeConf. */
export interface Attachment {
  readonly container: string;
  readonly ifname?: string;
  /** Default: the netns named like the container. */
  readonly netns?: string;
  readonly args?: string;
  readonly capabilityArgs?: Readonly<Record<string, unknown>>;
  /** Directories of plugins, searched before the usual ones. */
  readonly pluginDirs?: readonly string[];
}

export interface Result {
  readonly cniVersion: string;
  readonly interfaces: readonly { name: string; mac?: string; mtu?: number; sandbox?: string }[];
  readonly ips: readonly { version?: string; address: string; gateway?: string; interface?: number }[];
  readonly routes?: readonly { dst: string; gw?: string }[];
  readonly dns?: { nameservers?: string[]; domain?: string; search?: string[]; options?: string[] };
}

export interface Chain {
  /** The final result, which is cached for CHECK and DEL. Throws at the first plugin that fails. */
  add(): Promise<Result>;
  /** Of all plugins, or of those of one type. */
  check(only?: string): Promise<void>;
  del(): Promise<void>;
}

export function chain(node: TestNode, list: Conflist, attachment: Attachment): Chain {
  let cached: Result | undefined;
  const call = (verb: string, entry: Entry, prevResult: Result | undefined) =>
    callPlugin(node, list, attachment, verb, entry, prevResult);
  return {
    add: async () => {
      let result: Result | undefined;
      for (const entry of list.plugins) result = (await call("ADD", entry, result)).json;
      cached = result;
      return result as Result;
    },
    check: async (only) => {
      if (!hasCheck(list.cniVersion)) throw new Error(`CNI ${list.cniVersion} has no CHECK`);
      const asked = list.plugins.filter(({ type }) => only === undefined || type === only);
      for (const entry of asked) await call("CHECK", entry, cached);
    },
    del: async () => {
      // Before 0.4.0 the cached result is not handed over.
      const prevResult = hasCheck(list.cniVersion) ? cached : undefined;
      for (const entry of list.plugins.toReversed()) await call("DEL", entry, prevResult);
      cached = undefined;
    },
  };
}

export function hasCheck(version: CniVersion): boolean {
  return version !== "0.3.1";
}

async function callPlugin(
  node: TestNode,
  list: Conflist,
  attachment: Attachment,
  verb: string,
  entry: Entry,
  prevResult: Result | undefined,
): Promise<CniAnswer> {
  const { container, ifname = "eth0", netns = `/run/netns/${container}`, args = "" } = attachment;
  const pluginDirs = [...(attachment.pluginDirs ?? []), path.dirname(executable), referencePluginDir];
  const answer = await cni(node, {
    verb,
    config: configOf(list, entry, attachment, prevResult),
    container,
    ifname,
    netns,
    args,
    path: pluginDirs.join(":"),
    plugin: findPlugin(node, entry.type, pluginDirs),
  });
  if (answer.exitCode === 0) return answer;
  throw new Error(`${entry.type} ${verb} failed (${answer.exitCode}): ${answer.stdout}${answer.stderr}`);
}

function configOf(
  { cniVersion, name }: Conflist,
  entry: Entry,
  { capabilityArgs = {} }: Attachment,
  prevResult: Result | undefined,
): object {
  const declared = Object.entries(entry.capabilities ?? {}).filter(([, enabled]) => enabled);
  const passed = declared
    .filter(([capability]) => Object.hasOwn(capabilityArgs, capability))
    .map(([capability]) => [capability, capabilityArgs[capability]]);
  return {
    ...entry,
    cniVersion,
    name,
    ...(prevResult === undefined ? {} : { prevResult }),
    ...(passed.length === 0 ? {} : { runtimeConfig: Object.fromEntries(passed) }),
  };
}

function findPlugin(node: TestNode, type: string, directories: readonly string[]): string {
  const candidates = directories.map((directory) => path.join(directory, type));
  const found = candidates.find((file) => existsSync(node.file(file)));
  if (found === undefined) throw new Error(`plugin ${type} is in none of ${directories.join(", ")}`);
  return found;
}
