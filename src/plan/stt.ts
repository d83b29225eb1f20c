// The device of the module podwire_stt, as far as only podwire-stt-ctl has words for it. It is made with all of its settings
// in one step, so that it never takes segments from somebody whom they keep out.
import { addressBits, parsePrefix } from "../address/ip.ts";
import type { CniError } from "../cni/error.ts";
import { ipApply } from "../linux/ip.ts";
import type { Kernel } from "../linux/kernel.ts";
import { isDriverMissing } from "../linux/link-drivers.ts";
import type { Done } from "./changes.ts";
import { type Fault, overlayUnusable, unequal } from "./fault.ts";
import type { ObservedLink } from "./observe.ts";
import { describeObject, type Plan, type SttOutput, type SttSettings } from "./plan.ts";

/** What the kernel says of a device. */
export interface SttState {
  readonly port: number;
  readonly output: SttOutput;
  /** How many prefixes may send. */
  readonly peers: "any" | number;
  /** CRC-32 of the list of peers as the kernel was given it. */
  readonly sum?: number;
}

/** By the devices' names. */
export type SttStates = ReadonlyMap<string, SttState>;

/** Of all devices of the module: mostly none, which costs nothing to find out. */
export async function readStts(links: readonly ObservedLink[], kernel: Kernel): Promise<SttStates> {
  const names = links.flatMap(({ ifname, linkinfo }) => (linkinfo?.info_kind === "stt" ? ifname : []));
  if (names.length === 0) return new Map();
  const { readStt } = await import("../stt/control.ts");
  const states = await Promise.all(names.map((name) => readStt(name, kernel)));
  return new Map(
    names.flatMap((name, index): [string, SttState][] => {
      const state = states[index];
      return state === undefined ? [] : [[name, state]];
    }),
  );
}

export function sttSettingsOf(plan: Plan): SttSettings | undefined {
  return plan.find((object) => object.kind === "stt-settings");
}

export function sttFault(wanted: SttSettings, state: SttState | undefined): Fault | undefined {
  if (state === undefined) return { expected: "a link of kind stt", found: "none" };
  return (
    unequal(`port ${wanted.port}`, `port ${state.port}`) ??
    unequal(`output ${wanted.output}`, `output ${state.output}`) ??
    peersFault(wanted.peers, state)
  );
}

function peersFault(wanted: SttSettings["peers"], { peers, sum }: SttState): Fault | undefined {
  const found = peers === "any" ? "anybody may send" : `${peers} peers may send`;
  if (wanted === undefined) return unequal("anybody may send", found);
  const isSame = peers === wanted.length && sum === listSum(wanted);
  return isSame ? undefined : { expected: `a list of ${wanted.length} peers`, found: `another: ${found}` };
}

/** Makes the device, or gives it the settings of the plan. */
export async function changeStt(
  wanted: SttSettings,
  link: ObservedLink | undefined,
  state: SttState | undefined,
  kernel: Kernel,
): Promise<Done[]> {
  if (sttFault(wanted, state) === undefined) return [];
  const { port, output, peers } = wanted;
  // The port is fixed once the device is there.
  const isNew = state?.port !== port;
  if (isNew && link !== undefined) await removeStt(wanted, kernel);
  const settings = [...(isNew ? ["port", `${port}`] : []), "output", output, "peers", peers ? "-" : "any"];
  const list = (peers ?? []).map((peer) => `${peer}\n`).join("");
  const { setStt } = await import("../stt/control.ts");
  const refusal = await setStt(isNew ? "add" : "set", wanted.link, settings, list, kernel);
  if (refusal !== undefined) throw overlayUnusable(`${describeObject(wanted)}: ${refusal}${hint(refusal)}`);
  return [{ what: describeObject(wanted), verb: isNew ? "made" : "changed" }];
}

/** The module takes the port when the device goes up. `line`: what was refused, and in which words. */
export function sttPortInUse(plan: Plan, line: string, message: string): CniError | undefined {
  const settings = sttSettingsOf(plan);
  if (settings === undefined || !line.includes(` ${settings.link} `) || !/in use/.test(message))
    return undefined;
  return overlayUnusable(
    `TCP port ${settings.port} is in use by another program, so ${settings.link} cannot have it: ${message}. Set overlay.port to ` +
      "another one on all nodes, or remove what uses it",
  );
}

async function removeStt({ link }: SttSettings, kernel: Kernel): Promise<void> {
  await ipApply("host", [`link delete dev ${link}`], kernel, true);
}

/** What the kernel has when it has all of `settings`. */
export function sttStateAfter({ port, output, peers }: SttSettings): SttState {
  return {
    port,
    output,
    ...(peers === undefined ? { peers: "any" } : { peers: peers.length, sum: listSum(peers) }),
  };
}

export const sttMissing =
  "the kernel module podwire_stt is neither loaded nor installed for this kernel; podwire stt load loads it, after podwire " +
  "stt build if it was never built here";

function hint(refusal: string): string {
  if (isDriverMissing(refusal)) {
    return `; ${sttMissing}`;
  }
  return refusal.includes("has this port")
    ? "; remove that link, or set overlay.port to another one on all nodes"
    : "";
}

/** As the kernel sums up its list: over struct stt_prefix of stt-tunnel/podwire_stt.h, one after the other. */
export function listSum(peers: readonly string[]): number {
  const { crc32 } = process.getBuiltinModule("node:zlib");
  return crc32(Buffer.concat(peers.map(entryOf)));
}

function entryOf(text: string): Buffer {
  const prefix = parsePrefix(text);
  if (prefix === undefined) throw new Error(`${text} is no prefix`);
  const { ip, length } = prefix;
  const mapped = ip.family === 4 ? ip.value | 0xffff00000000n : ip.value;
  const entry = Buffer.alloc(20);
  entry.write(mapped.toString(16).padStart(32, "0"), "hex");
  entry.writeUInt8(length + 128 - addressBits(ip.family), 16);
  return entry;
}
