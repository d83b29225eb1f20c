// What the checks share: the networks configured on this node, the attachments it has, and a way to ask
// programs. Read once.
import { type Family, type Prefix, parsePrefix } from "../../address/ip.ts";
import type { AttachmentRecord } from "../../attachment/record.ts";
import { toCniError } from "../../cni/error.ts";
import type { NetworkConfig } from "../../config/network.ts";
import { parseConfig } from "../../ipam/host-local/config.ts";
import { programEnvironment } from "../../linux/kernel.ts";
import { findProgram } from "../../linux/programs.ts";
import { type RunOutcome, start } from "../../linux/run.ts";
import { type Attachment, listAttachments, recordsOfWired } from "../attachments.ts";
import type { Words } from "../command.ts";
import { commandKernel } from "../command-kernel.ts";
import { type Conflist, listConfigurations, readConfiguration } from "../conflist.ts";

export interface Configuration {
  readonly file: string;
  /** Why it cannot be used; then there is no list. */
  readonly fault?: string;
  readonly list?: Conflist;
}

export interface Node {
  readonly binDir: string;
  readonly confDir: string;
  /** A peer to send packets to. */
  readonly probe?: string;
  readonly configurations: readonly Configuration[];
  /** Why `confDir` cannot be read. */
  readonly confDirFault?: string;
  /** podwire's entries in them. */
  readonly networks: readonly NetworkConfig[];
  /** Why the records cannot be read, instead of them. */
  readonly attachments: readonly Attachment[] | { readonly unreadable: string };
  /** Runs a program of the node to its end; undefined if it is not installed. */
  ask(program: string, args: readonly string[], input?: string): Promise<RunOutcome | undefined>;
  find(program: string): string | undefined;
}

export function lookAtNode(words: Words): Node {
  const confDir = words.text("conf-dir") ?? "";
  const kernel = commandKernel();
  const probe = words.text("probe");
  const { configurations, ...confDirFault } = tryConfigurations(confDir);
  const find = (program: string) => findProgram(program, kernel.searchPath);
  return {
    binDir: words.text("bin-dir") ?? "",
    confDir,
    ...(probe === undefined ? {} : { probe }),
    configurations,
    ...confDirFault,
    networks: configurations.flatMap(({ list }) => list?.networks.map(({ config }) => config) ?? []),
    attachments: tryAttachments(),
    ask: async (name, args, input = "") => {
      const program = find(name);
      if (program === undefined) return undefined;
      const environment = programEnvironment(kernel);
      return start({ program, args, environment, deadline: kernel.deadline }).finish(input);
    },
    find,
  };
}

function tryConfigurations(confDir: string): Pick<Node, "configurations" | "confDirFault"> {
  try {
    return { configurations: listConfigurations(confDir).map((file) => tryConfiguration(confDir, file)) };
  } catch (error) {
    return { configurations: [], confDirFault: toCniError(error).details };
  }
}

function tryConfiguration(confDir: string, file: string): Configuration {
  try {
    return { file, list: readConfiguration(confDir, file) };
  } catch (error) {
    return { file, fault: toCniError(error).details };
  }
}

function tryAttachments(): Node["attachments"] {
  try {
    return listAttachments();
  } catch (error) {
    return { unreadable: toCniError(error).details };
  }
}

/** Where pods' addresses come from: the ranges that are known here, and the addresses of pods that exist. */
export function podPrefixes(node: Node): Prefix[] {
  const ranges = node.networks.flatMap(rangesOf);
  return [...ranges, ...podAddresses(node).flatMap((address) => parsePrefix(address) ?? [])];
}

/** Those of a network; none where another IPAM alone knows them. */
export function rangesOf(network: NetworkConfig): Prefix[] {
  if (network.ipam.type !== "host-local") return [];
  return parseConfig(network)
    .rangeSets.flat()
    .map(({ subnet }) => subnet);
}

export function usesFamily(family: Family, node: Node): boolean {
  return podPrefixes(node).some(({ ip }) => ip.family === family);
}

/** Whether pods of this family are there now. */
export function hasPodsOf(family: Family, node: Node): boolean {
  return podAddresses(node).some((address) => address.includes(":") === (family === 6));
}

export function usesMasquerade({ networks }: Node): boolean {
  return networks.some(({ ipMasq }) => ipMasq === true);
}

/** Of pods that live. */
export function wiredRecords({ attachments }: Pick<Node, "attachments">): AttachmentRecord[] {
  return "unreadable" in attachments ? [] : recordsOfWired(attachments);
}

function podAddresses(node: Node): string[] {
  return wiredRecords(node).flatMap(({ ips }) => ips.map(({ address }) => address));
}
