// Talks to the kernel module through podwire-bypass-ctl, in lines of text: what it prints, it also reads.
import { CniError, ErrorCode } from "../cni/error.ts";
import type { Host } from "../kernel-module/host.ts";
import { bypassModule, readText } from "../kernel-module/module.ts";

/** The kill switch: while it is on nothing is bypassed in any namespace, whatever is set. */
export function isKilled(): boolean {
  return readText(`/sys/module/${bypassModule.name}/parameters/disabled`) === "Y";
}

const helperName = "podwire-bypass-ctl";

export const bypassModes = ["off", "observe", "untrack", "bypass"] as const;
export type BypassMode = (typeof bypassModes)[number];

/** All that a network namespace is set to. */
export interface BypassConfiguration {
  readonly mode: BypassMode;
  /** Seconds; 0: for good. */
  readonly lease: number;
  /** Prefixes. */
  readonly pods: readonly string[];
  readonly excluded: readonly string[];
  readonly node: readonly string[];
  readonly peers: readonly string[];
  /** As "udp 8472". */
  readonly tunnels: readonly string[];
}

export interface BypassState extends BypassConfiguration {
  readonly generation: number;
  /** Seconds that are left of the lease. */
  readonly left: number;
}

export interface BypassCounter {
  readonly hook: string;
  readonly reason: string;
  readonly packets: number;
  readonly bytes: number;
}

const sets = { pods: "pod", excluded: "exclude", node: "node", peers: "peer", tunnels: "tunnel" } as const;

export async function readBypass(host: Host): Promise<BypassState> {
  return parseState(await control(host, ["get"]));
}

/** Replaces all of it; refused if it was changed since `generation`. */
export async function writeBypass(
  host: Host,
  configuration: BypassConfiguration,
  generation?: number,
): Promise<void> {
  await control(host, ["set"], configurationText(configuration, generation));
}

/** Begins the lease anew; refused if it was set since `generation`. */
export async function renewBypass(host: Host, generation: number): Promise<void> {
  await control(host, ["renew", `${generation}`]);
}

export async function readCounters(host: Host): Promise<BypassCounter[]> {
  return parseCounters(await control(host, ["counters"]));
}

export function configurationText(configuration: BypassConfiguration, generation?: number): string {
  const lines = Object.entries(sets).flatMap(([key, word]) =>
    configuration[key as keyof typeof sets].map((value) => `${word} ${value}`),
  );
  const { mode, lease } = configuration;
  const head = [`mode ${mode}`, `lease ${lease}`];
  if (generation !== undefined) head.push(`generation ${generation}`);
  return `${[...head, ...lines].join("\n")}\n`;
}

export function parseState(text: string): BypassState {
  const lines = text.split("\n").filter((line) => line !== "");
  const all = (word: string) =>
    lines.filter((line) => line.startsWith(`${word} `)).map((line) => line.slice(word.length + 1));
  const number = (word: string) => Number(all(word)[0] ?? 0);
  const mode = bypassModes.find((known) => known === all("mode")[0]);
  if (mode === undefined) throw refused("get", `it printed ${JSON.stringify(text.slice(0, 100))}`);
  return {
    mode,
    generation: number("generation"),
    lease: number("lease"),
    left: number("left"),
    pods: all("pod"),
    excluded: all("exclude"),
    node: all("node"),
    peers: all("peer"),
    tunnels: all("tunnel"),
  };
}

export function parseCounters(text: string): BypassCounter[] {
  return text
    .split("\n")
    .map((line) => line.trim().split(" "))
    .flatMap(([hook, reason, packets, bytes]) =>
      hook === undefined || reason === undefined
        ? []
        : [{ hook, reason, packets: Number(packets), bytes: Number(bytes) }],
    );
}

async function control(host: Host, args: readonly string[], input = ""): Promise<string> {
  const outcome = await host.ask(helperName, args, input);
  if (outcome === undefined) {
    throw new CniError(
      ErrorCode.programMissing,
      "a needed program is missing",
      `${helperName} is not in PATH, and this podwire was built without it; compile netfilter-bypass/ctl/${helperName}.c`,
    );
  }
  if (outcome.exitCode === 0) return outcome.stdout;
  const words = outcome.stderr.trim().replace(`${helperName}: `, "");
  throw refused(args.join(" "), words.includes("is not loaded") ? `${words}: podwire bypass load` : words);
}

function refused(what: string, why: string): CniError {
  return new CniError(ErrorCode.kernelRefused, "the bypass module refused", `${what}: ${why}`);
}
