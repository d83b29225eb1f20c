// What Wireshark reads of segments of STT: its dissector knows nothing of the module nor of wire.ts.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { findProgram } from "../../src/linux/programs.ts";
import { writePcap } from "./pcap.ts";
import type { SttHeader, WholeFrame } from "./wire.ts";

/** One that Wireshark took for STT. */
export interface ReadSegment {
  readonly packetId: number;
  readonly total: number;
  readonly offset: number;
  /** Of the segment that makes a frame whole. */
  readonly header?: SttHeader;
  /** Fields that Wireshark holds for wrong. */
  readonly wrong: readonly string[];
}

/** What it says of whole frames, by their packet ids. */
export function headersIn(read: readonly ReadSegment[]): Map<number, SttHeader> {
  return new Map(
    read.flatMap(({ packetId, header }) => (header === undefined ? [] : [[packetId, header] as const])),
  );
}

/** The same of frames that were read otherwise, to compare. */
export function headersOf(frames: readonly WholeFrame[]): Map<number, SttHeader> {
  const whole = frames.map(({ segments, version, flags, l4Offset, mss, vlanTci, contextId }) => {
    const header = { version, flags, l4Offset, mss, vlanTci, contextId };
    return [segments[0]?.packetId ?? 0, header] as const;
  });
  return new Map(whole);
}

/** Otherwise it takes STT for the TCP that it looks like. */
const options = ["-o", "ip.try_heuristic_first:TRUE", "-o", "ipv6.try_heuristic_first:TRUE"];
const fields = ["pkt_id", "pkt_len", "seg_off", "version", "flags", "l4offset", "mss", "vlan", "context_id"];
/** What it may find wrong; checksums are left to others, for it takes right ones for wrong. */
const faults = ["data_offset", "l4offset", "mss"];

/** Warns of what is missing, so that a test that did not run is no test that passed. */
export function lacksWireshark(): boolean {
  const { stdout } = tshark(["-G", "protocols"]);
  if (/\tstt$/m.test(stdout)) return false;
  console.warn("SKIPPED, NOT TESTED: STT by Wireshark's dissector: no tshark that knows STT");
  return true;
}

export function readByWireshark(frames: readonly Buffer[]): ReadSegment[] {
  const columns = [...fields, ...faults.map((fault) => `${fault}_bad.expert`)].map((field) => `stt.${field}`);
  const wanted = columns.flatMap((column) => ["-e", column]);
  // It reads no socket, which is what Node's child has for its input.
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "podwire-stt-"));
  const file = path.join(directory, "capture.pcap");
  fs.writeFileSync(file, writePcap(frames));
  const { stdout, stderr } = tshark(["-n", ...options, "-r", file, "-Y", "stt", "-T", "fields", ...wanted]);
  fs.rmSync(directory, { recursive: true });
  const lines = stdout.split("\n").slice(0, -1);
  if (lines.length === 0) throw new Error(`Wireshark found no STT: ${stderr}`);
  return lines.map((line) => {
    const cells = line.split("\t");
    const [packetId, total, offset, version = "", flags, l4Offset, mss, vlanTci, contextId = "0"] = cells;
    const wrong = faults.filter((_, index) => (cells[fields.length + index] ?? "") !== "");
    const segment = { packetId: Number(packetId), total: Number(total), offset: Number(offset), wrong };
    if (version === "") return segment;
    const header = {
      version: Number(version),
      flags: Number(flags),
      l4Offset: Number(l4Offset),
      mss: Number(mss),
      vlanTci: Number(vlanTci),
      contextId: BigInt(contextId),
    };
    return { ...segment, header };
  });
}

function tshark(words: readonly string[]) {
  const program = findProgram("tshark", process.env["PATH"]) ?? "tshark";
  return spawnSync(program, words, { encoding: "utf8", maxBuffer: 256 * 1024 * 1024 });
}
