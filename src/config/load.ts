// From the bytes on stdin to a checked configuration, with the node's defaults from /etc/podwire/node.json.
import type * as z from "zod/mini";
import { identifierFault } from "../cni/environment.ts";
import { CniError, ErrorCode } from "../cni/error.ts";
import { parseDocument } from "../cni/input.ts";
import { readRegularFile } from "../linux/files.ts";
import { type NetworkConfig, type NodeConfig, networkSchema, nodeSchema } from "./network.ts";

const nodeFile = "/etc/podwire/node.json";

/** Throws code 7 for a missing or impossible name; checked apart because every verb needs it. */
export function checkNetworkName(name: unknown): string {
  if (name === undefined || name === "") {
    throw invalid('name is missing; expected the network\'s name, for example "podnet"');
  }
  const fault =
    typeof name === "string" ? identifierFault(name) : `is ${JSON.stringify(name)}; expected a string`;
  if (fault !== undefined) throw invalid(`name ${fault}`);
  return name as string;
}

/** Throws code 2 for unknown keys and code 7 for bad values, each naming key, value and expectation. */
export function parseNetwork(document: Record<string, unknown>): NetworkConfig {
  checkNetworkName(document["name"]);
  const parsed = networkSchema.safeParse(document);
  if (!parsed.success) throw explain(parsed.error, document, "config");
  const { type, ipam } = parsed.data;
  if (ipam.type !== type) return parsed.data;
  throw invalid(
    `config: ipam.type = ${excerpt(type)}; expected an IPAM plugin such as host-local, not this one itself`,
  );
}

/**
 * For DEL: only what removing an attachment needs, so that a mistake made in the conflist since does not keep
 * pods from being deleted.
 */
export function parseForRemoval(document: Readonly<Record<string, unknown>>): NetworkConfig {
  const needed = [
    "cniVersion",
    "name",
    "type",
    "ipam",
    "args",
    "runtimeConfig",
    "prevResult",
    "timeout",
    "log",
  ];
  const strict = networkSchema.safeParse(document);
  if (strict.success) return strict.data;
  const bare = ["cniVersion", "name", "type", "ipam", "prevResult"];
  const known = [needed, bare].map((keys) => pick(document, keys));
  const parsed = known.map((part) => networkSchema.safeParse(part)).find(({ success }) => success);
  return parsed?.data ?? parseNetwork(known[1] ?? {});
}

function pick(document: Readonly<Record<string, unknown>>, keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(document).filter(([key]) => keys.includes(key)));
}

/** The node's defaults; none if there is no such file. */
export function loadNodeDefaults(): NodeConfig {
  let text: string;
  try {
    text = readRegularFile(nodeFile);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return {};
    const why = error instanceof Error ? error.message : String(error);
    throw new CniError(
      ErrorCode.io,
      "the node's defaults cannot be read",
      `${why}; correct or remove ${nodeFile}`,
    );
  }
  const document = parseDocument(text, nodeFile);
  const parsed = nodeSchema.safeParse(document);
  if (!parsed.success) throw explain(parsed.error, document, nodeFile);
  return parsed.data;
}

/** The conflist wins, key by key; but what either excludes from being bypassed has a reason. */
export function withDefaults(config: NetworkConfig, defaults: NodeConfig): NetworkConfig {
  const merged = { ...defaults, ...config };
  const exclude = [...(defaults.bypass?.exclude ?? []), ...(config.bypass?.exclude ?? [])];
  return merged.bypass === undefined || exclude.length === 0
    ? merged
    : { ...merged, bypass: { ...merged.bypass, exclude } };
}

export function explain(error: z.core.$ZodError, document: unknown, source: string): CniError {
  const issue = error.issues[0];
  if (issue === undefined) return invalid(`${source} is invalid`);
  const where = issue.path.map(String);
  if (issue.code === "unrecognized_keys") {
    const key = issue.keys[0] ?? "";
    const value = excerpt(valueAt(document, [...where, key]));
    return new CniError(
      ErrorCode.unsupportedField,
      "unsupported field",
      `${source}: ${[...where, key].join(".")} = ${value} is not known to podwire; correct the key or remove it`,
    );
  }
  const value = valueAt(document, where);
  const found = value === undefined ? "is missing" : `= ${excerpt(value)}`;
  const expected = issue.message.replace(/^Invalid input: /, "").replace(/, received undefined$/, "");
  return invalid(`${source}: ${where.join(".") || "the whole"} ${found}; ${expected}`);
}

function valueAt(document: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (value, key) =>
      typeof value === "object" && value !== null && Object.hasOwn(value, key)
        ? (value as Record<string, unknown>)[key]
        : undefined,
    document,
  );
}

function excerpt(value: unknown): string {
  const text = JSON.stringify(value) ?? "undefined";
  return text.length > 120 ? `${text.slice(0, 120)}…` : text;
}

function invalid(details: string): CniError {
  return new CniError(ErrorCode.invalidConfig, "invalid network configuration", details);
}
