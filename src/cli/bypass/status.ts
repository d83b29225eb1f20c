// `podwire bypass status`: whether it works, what it is set to and by whom, and what became of how many packets.
import {
  type BypassCounter,
  type BypassState,
  isKilled,
  readBypass,
  readCounters,
} from "../../bypass/control.ts";
import { answer, bypassedPackets } from "../../bypass/summary.ts";
import { bypassModule, isLoaded } from "../../kernel-module/module.ts";
import { type BypassRecord, readBypassRecord } from "../../node/bypass-record.ts";
import type { Run, Words } from "../command.ts";
import { commandHost } from "../command-host.ts";
import { tellAbsence, tellOtherVersion } from "../kernel-module/told.ts";
import { type Cell, printable, renderTable } from "../table.ts";
import { printJson, type Terminal } from "../terminal.ts";

/** What was bypassed, in colour. */
const bypassed = new Set(["pod", "tunnel"]);
const pauseMs = 1000;

interface Look {
  readonly state: BypassState;
  readonly counters: readonly BypassCounter[];
  readonly at: number;
}

export const status: Run = async (words, terminal) => {
  if (!isLoaded(bypassModule)) return tellBypassAbsence(words, terminal);
  let before: Look | undefined;
  for (;;) {
    // Each look has its own deadline.
    const host = commandHost();
    const look = { state: await readBypass(host), counters: await readCounters(host), at: performance.now() };
    const wishes = wishesOf(readBypassRecord());
    if (words.flag("json")) printLook(look, wishes, words, terminal);
    else printTable(look, before, wishes, terminal);
    if (!words.flag("watch")) return 0;
    before = look;
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    if (!words.flag("json")) terminal.print("\n");
  }
};

interface Wishes {
  /** By whose configuration it is set, and how. */
  readonly networks: readonly { readonly network: string; readonly mode: string }[];
  readonly obstacles: readonly string[];
  readonly tunnelObstacles: readonly string[];
  readonly fault?: string;
  readonly byHand?: string;
}

function wishesOf(record: BypassRecord | undefined): Wishes {
  const { networks = [], obstacles = [], tunnelObstacles = [], fault, byHand } = record ?? {};
  return {
    networks: networks.map(({ wish: { network, mode } }) => ({ network, mode })),
    obstacles,
    tunnelObstacles,
    ...(fault === undefined ? {} : { fault }),
    ...(byHand === undefined ? {} : { byHand }),
  };
}

async function tellBypassAbsence(words: Words, terminal: Terminal): Promise<number> {
  const wishes = wishesOf(readBypassRecord());
  const status = await tellAbsence(bypassModule, words, terminal, wishes);
  if (wishes.fault !== undefined && !words.flag("json")) terminal.print(`${printable(wishes.fault)}\n`);
  return status;
}

function printLook({ state, counters }: Look, wishes: Wishes, words: Words, terminal: Terminal): void {
  const found = {
    loaded: true,
    disabled: isKilled(),
    ...state,
    ...wishes,
    bypassed: bypassedPackets(counters),
    counters,
  };
  // A line for each look, so that readers know where one ends.
  if (words.flag("watch")) terminal.print(`${JSON.stringify(found)}\n`);
  else printJson(found, terminal);
}

function printTable(look: Look, before: Look | undefined, wishes: Wishes, terminal: Terminal): void {
  const { state, counters } = look;
  const { mode, lease, left, pods, excluded, tunnels, peers } = state;
  if (isKilled())
    terminal.print("not working: the module's parameter `disabled` is on, for all namespaces\n");
  else terminal.print(`${answer(state, bypassedPackets(counters))}\n`);
  const until = lease === 0 ? "" : `, for ${left} s more`;
  terminal.print(
    `mode ${mode}${until}: ${pods.length} pod prefixes, ${excluded.length} excluded, ` +
      `${tunnels.length} tunnels to ${peers.length} peer prefixes\n`,
  );
  tellOtherVersion(bypassModule, terminal);
  for (const line of explain(wishes)) terminal.print(`${printable(line)}\n`);
  const rows = counters.map((counter) => row(counter, look, before));
  const heading = ["HOOK", "REASON", "PACKETS", "BYTES", ...(before === undefined ? [] : ["PACKETS/S"])];
  terminal.print(renderTable(heading, rows, terminal.paint));
}

function explain({ networks, obstacles, tunnelObstacles, fault, byHand }: Wishes): string[] {
  const names = networks.map(({ network, mode }) => `${network} (${mode})`).join(", ");
  if (byHand === "forced") return ["set by hand, in spite of:", ...obstacles.map((text) => `  ${text}`)];
  if (byHand !== undefined) {
    const back = names === "" ? "" : `; podwire apply sets it again as network ${names} wishes`;
    return [`${byHand === "off" ? "switched off" : "set"} by hand${back}`];
  }
  if (names === "") return [];
  if (fault !== undefined) return [`network ${names} wishes it, but ${fault}`];
  if (obstacles.length === 0) {
    const but = tunnelObstacles.map((text) => `  no tunnels, because of ${text}`);
    return [`by the configuration of network ${names}`, ...but];
  }
  return [
    `network ${names} wishes it, but rules here are about pods' traffic (podwire apply looks again):`,
    ...obstacles.map((text) => `  ${text}`),
  ];
}

function row(
  { hook, reason, packets, bytes }: BypassCounter,
  { at }: Look,
  before: Look | undefined,
): Cell[] {
  const shown: Cell = bypassed.has(reason) ? { text: reason, colour: "green" } : reason;
  const cells = [hook, shown, `${packets}`, `${bytes}`];
  if (before === undefined) return cells;
  const earlier =
    before.counters.find((other) => other.hook === hook && other.reason === reason)?.packets ?? 0;
  return [...cells, `${Math.round(((packets - earlier) * 1000) / (at - before.at))}`];
}
