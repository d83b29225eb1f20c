// The CNI_* environment variables of a call, checked by the rules of libcni's pkg/utils before any
// of them reaches a path or a program.
import path from "node:path";
import { CniError, ErrorCode } from "./error.ts";

export type Verb = "ADD" | "DEL" | "CHECK" | "GC" | "STATUS" | "VERSION";

/** Empty strings where the verb does not need the variable and it is not set. */
export interface CniEnvironment {
  readonly verb: Verb;
  readonly containerID: string;
  readonly netns: string;
  readonly ifname: string;
  readonly args: string;
  readonly path: readonly string[];
  /** The whole environment, to find programs in and to hand on to delegated plugins. */
  readonly variables: NodeJS.ProcessEnv;
}

const required: Record<Verb, readonly string[]> = {
  ADD: ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"],
  CHECK: ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"],
  DEL: ["CNI_CONTAINERID", "CNI_IFNAME", "CNI_PATH"],
  GC: ["CNI_PATH"],
  STATUS: ["CNI_PATH"],
  VERSION: [],
};

/** Names of containers and networks. Two of them and an interface's fit into a link's alias of 255 bytes. */
export const identifier = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;
const maxIdentifierLength = 112;

export function parseEnvironment(variables: NodeJS.ProcessEnv): CniEnvironment {
  const verb = variables["CNI_COMMAND"] ?? "";
  if (!isVerb(verb)) {
    throw invalid(
      `CNI_COMMAND is ${JSON.stringify(verb)}; expected one of ${Object.keys(required).join(", ")}`,
    );
  }
  const missing = required[verb].filter((name) => (variables[name] ?? "") === "");
  if (missing.length > 0) throw invalid(`${missing.join(", ")} must be set for ${verb}`);

  const environment: CniEnvironment = {
    verb,
    containerID: variables["CNI_CONTAINERID"] ?? "",
    netns: variables["CNI_NETNS"] ?? "",
    ifname: variables["CNI_IFNAME"] ?? "",
    args: variables["CNI_ARGS"] ?? "",
    path: (variables["CNI_PATH"] ?? "")
      .split(":")
      .filter((directory) => directory !== "")
      .map((directory) => path.resolve(directory)),
    variables,
  };
  if (required[verb].includes("CNI_CONTAINERID")) checkIdentifier("CNI_CONTAINERID", environment.containerID);
  if (required[verb].includes("CNI_IFNAME")) checkInterfaceName(environment.ifname);
  return environment;
}

/** What is wrong with a container id or network name, or undefined. */
export function identifierFault(value: string): string | undefined {
  if (value.length > maxIdentifierLength) {
    return `is ${value.length} characters long; expected at most ${maxIdentifierLength}`;
  }
  if (identifier.test(value)) return undefined;
  return `is ${JSON.stringify(value)}; expected letters, digits, "_", "." and "-", the first a letter or digit`;
}

/** What the kernel's dev_valid_name and libcni refuse in an interface name, or undefined. */
export function interfaceNameFault(name: string): string | undefined {
  if (Buffer.byteLength(name) > 15) return `is ${JSON.stringify(name)}; expected at most 15 bytes`;
  if (name === "." || name === "..") return `is ${JSON.stringify(name)}; "." and ".." are no interface names`;
  if (name === "all" || name === "default")
    return `is "${name}", which the kernel's settings mean all links by`;
  // Beyond what the kernel forbids, keep to characters that no tool's syntax gives a meaning.
  if (!/^[a-zA-Z0-9_.@+=~-]+$/.test(name) || name.startsWith("-")) {
    return `is ${JSON.stringify(name)}; expected letters, digits and _.@+=~- not starting with "-"`;
  }
  return undefined;
}

function checkIdentifier(variable: string, value: string): void {
  const fault = identifierFault(value);
  if (fault !== undefined) throw invalid(`${variable} ${fault}`);
}

function checkInterfaceName(name: string): void {
  const fault = interfaceNameFault(name);
  if (fault !== undefined) throw invalid(`CNI_IFNAME ${fault}`);
}

function isVerb(text: string): text is Verb {
  return Object.hasOwn(required, text);
}

function invalid(details: string): CniError {
  return new CniError(ErrorCode.invalidEnvironment, "invalid environment variables", details);
}
