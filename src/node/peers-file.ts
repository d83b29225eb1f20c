// Peers from a file of their own. Whoever writes it may be interrupted: what cannot be used as a whole is not used at all.
import { CniError, ErrorCode } from "../cni/error.ts";
import { explain } from "../config/load.ts";
import { type OverlayConfig, type PeerConfig, peersSchema } from "../config/overlay.ts";
import { readRegularFile } from "../linux/files.ts";
import type { PeerEntry } from "../overlay/peers.ts";

/** 5,000 peers take about 600 KB. */
const maxBytes = 64 * 1024 * 1024;

/**
 * Those of the configuration and those of its file. Throws code 7 for a file that cannot be used. What is as in `before` is the
 * same object again, and not checked again.
 */
export function peerEntries(
  { peers = [], peersFile }: OverlayConfig,
  before: readonly PeerEntry[] = [],
): PeerEntry[] {
  const inline = peers.map((config, index) => ({ config, place: `overlay.peers.${index}` }));
  return peersFile === undefined ? inline : [...inline, ...fromFile(peersFile, before)];
}

function fromFile(file: string, before: readonly PeerEntry[]): PeerEntry[] {
  let text: string;
  try {
    text = readRegularFile(file, maxBytes);
  } catch (error) {
    throw unusable(`overlay.peersFile cannot be read: ${error instanceof Error ? error.message : error}`);
  }
  if (text.trim() === "") throw unusable(`${file} is empty; expected a JSON list of peers, [] for none`);
  const document = parse(text, file);
  if (!Array.isArray(document)) {
    throw unusable(`${file} has no list; expected [{"node": ..., "address": ..., "podCIDRs": [...]}, ...]`);
  }
  const known = new Map(before.map(({ config }) => [config.address, config]));
  const kept = document.map((entry) => sameEntry(entry, known.get(entry?.address)));
  const fresh = document.filter((_, index) => kept[index] === undefined);
  const checked = check(fresh, document, file).values();
  return kept.map((config, index) => ({
    config: config ?? (checked.next().value as PeerConfig),
    place: `${file}: ${index}`,
  }));
}

/** In whatever order its keys are. */
function sameEntry(entry: PeerConfig | null, known: PeerConfig | undefined): PeerConfig | undefined {
  const isSame =
    entry !== null &&
    known !== undefined &&
    entry.node === known.node &&
    entry.address6 === known.address6 &&
    isSameList(entry.podCIDRs, known.podCIDRs) &&
    Object.keys(entry).length === Object.keys(known).length;
  return isSame ? known : undefined;
}

/** `now` is not checked yet, and may be anything. */
function isSameList(now: unknown, before: readonly string[]): boolean {
  return (
    Array.isArray(now) && now.length === before.length && before.every((each, index) => each === now[index])
  );
}

/** `fresh` is the part of the document that is not known yet. */
function check(fresh: readonly unknown[], document: readonly unknown[], file: string): PeerConfig[] {
  const parsed = peersSchema.safeParse(fresh);
  if (parsed.success) return parsed.data;
  // Once more, for its place in the whole.
  const { error = parsed.error } = peersSchema.safeParse(document);
  throw named(explain(error, document, file), error.issues[0]?.path[0], document);
}

function parse(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw unusable(`${file} is no JSON, perhaps it was being written: ${(error as Error).message}`);
  }
}

/** People know a peer by its name rather than by its place. */
function named(fault: CniError, index: PropertyKey | undefined, document: readonly unknown[]): CniError {
  const node: unknown = (document[Number(index)] as { node?: unknown } | null)?.node;
  const who = typeof node === "string" ? `; this is peer ${node}` : "";
  return new CniError(fault.code, fault.message, `${fault.details}${who}`);
}

function unusable(details: string): CniError {
  return new CniError(ErrorCode.invalidConfig, "the overlay's peers are invalid", details);
}
